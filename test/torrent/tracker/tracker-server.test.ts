import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { AnnounceAnswer, AnnounceRequest } from '../../../src/torrent/discovery/announce.js'
import { encodeAnnounce, encodeConnect, encodeScrape } from '../../../src/torrent/discovery/udp-messages.js'
import { TrackerClient } from '../../../src/torrent/entries/tracker.js'
import { formatHostPort } from '../../../src/torrent/metainfo/addresses.js'
import {
  TrackerServer,
  type TakenAnnounce,
  type TrackerServerOptions,
} from '../../../src/torrent/tracker/tracker-server.js'
import { until } from '../../support/fs-process.js'

const FORBIDDEN = Buffer.alloc(20, 'forbidden')
let counter = 0

function request(o: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    infohash: Buffer.alloc(20, 'torrent'),
    peerId: Buffer.alloc(20, `peer ${counter}`),
    port: 7001,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    numWant: 50,
    key: counter++,
    ...o,
  }
}

async function serve(options: Partial<TrackerServerOptions> = {}): Promise<TrackerServer> {
  return await TrackerServer.listen({ http: [{ host: '127.0.0.1', port: 0 }], ...options })
}

describe('a tracker of ours', () => {
  const taken: TakenAnnounce[] = []
  let server: TrackerServer
  let client: TrackerClient
  let urls: Record<'http' | 'udp' | 'http6' | 'udp6', URL>

  before(async () => {
    const places = [
      { host: '127.0.0.1', port: 0 },
      { host: '::1', port: 0 },
    ]
    server = await TrackerServer.listen({
      http: places,
      udp: places,
      intervalMs: 900_000,
      serves: infohash => infohash !== FORBIDDEN.toString('hex'),
      announced: announce => taken.push(announce),
    })
    client = new TrackerClient()
    const url = (scheme: string, at: { host: string; port: number }): URL =>
      new URL(`${scheme}://${formatHostPort(at)}/announce`)
    urls = {
      http: url('http', server.http[0]!),
      http6: url('http', server.http[1]!),
      udp: url('udp', server.udp[0]!),
      udp6: url('udp', server.udp[1]!),
    }
  })
  after(async () => {
    client.close()
    await server.close()
  })

  const answered = async (url: URL, o: Partial<AnnounceRequest>): Promise<AnnounceAnswer> => {
    const outcome = await client.announce(url, request(o))
    assert.ok(outcome.kind === 'answer', JSON.stringify(outcome))
    return outcome
  }

  it('makes one swarm of those who come over HTTP and UDP, each told of its own family', async () => {
    const infohash = Buffer.alloc(20, 'one swarm')
    for (const [index, url] of Object.values(urls).entries())
      await answered(url, { infohash, port: 7001 + index, left: index % 2 })
    const ports = async (url: URL): Promise<number[]> => {
      const { addresses } = await answered(url, { infohash, port: 7009, event: 'started' })
      return addresses.map(({ port }) => port).sort()
    }
    assert.deepEqual(await ports(urls.http), [7001, 7003])
    assert.deepEqual(await ports(urls.udp), [7001, 7003])
    assert.deepEqual(await ports(urls.http6), [7002, 7004])
    assert.deepEqual(await ports(urls.udp6), [7002, 7004])
    const { addresses, ...rest } = await answered(urls.udp6, { infohash, port: 7010 })
    assert.deepEqual(rest, { kind: 'answer', interval: 900_000, seeders: 2, leechers: 5 })
    assert.ok(addresses.every(({ host }) => host === '::1'))
    const entry = { infohash: infohash.toString('hex'), seeders: 2, leechers: 5, downloads: 0 }
    for (const url of Object.values(urls)) {
      const scrape = await client.scrape(url, [infohash])
      assert.deepEqual(scrape, { kind: 'answer', entries: [entry] }, url.href)
    }
    assert.deepEqual(server.scrape(entry.infohash), entry)
    assert.deepEqual(
      taken.find(announce => announce.peer.port === 7004),
      {
        ...{ transport: 'udp', infohash: entry.infohash, peer: { host: '::1', port: 7004 } },
        ...{ event: undefined, seeder: false, given: 1 },
      },
    )
  })

  it('counts who completes, and forgets who stops', async () => {
    for (const url of [urls.http, urls.udp]) {
      const infohash = Buffer.alloc(20, `completes ${url.protocol}`)
      const numbers = async (o: Partial<AnnounceRequest>): Promise<unknown> => {
        await answered(url, { infohash, ...o })
        const { seeders, leechers, downloads } = server.scrape(infohash.toString('hex'))!
        return [seeders, leechers, downloads]
      }
      assert.deepEqual(await numbers({ event: 'started', left: 5 }), [0, 1, 0])
      assert.deepEqual(await numbers({ event: 'completed', left: 0 }), [1, 0, 1])
      assert.deepEqual(await numbers({ event: 'completed', left: 0 }), [1, 0, 1])
      assert.deepEqual(await numbers({ event: 'stopped', left: 0 }), [0, 0, 1])
    }
  })

  it('refuses torrents it does not serve, and tells nothing of them', async () => {
    const { refused } = server.stats()
    for (const url of [urls.http, urls.udp]) {
      const outcome = await client.announce(url, request({ infohash: FORBIDDEN }))
      assert.ok(outcome.kind === 'refusal')
      assert.match(outcome.reason, /not a torrent of this tracker/)
      if (url === urls.http) assert.equal(outcome.retryAfter, Infinity)
    }
    // A client may ask again with a fresh connection id.
    assert.ok(server.stats().refused >= refused + 2)
    assert.deepEqual(await client.scrape(urls.http, [FORBIDDEN]), { kind: 'answer', entries: [] })
  })

  it('gives a query of no sense its reason, other paths and methods a status', async () => {
    const base = `http://127.0.0.1:${server.http[0]!.port}`
    const table: [method: string, path: string, status: number, body: RegExp][] = [
      ['GET', '/announce', 200, /14:failure reason\d+:info_hash/],
      ['GET', `/announce?info_hash=${'a'.repeat(20)}&port=0`, 200, /failure reason\d+:port/],
      ['GET', '/scrape', 200, /failure reason/],
      ['GET', '/', 404, /\/announce/],
      ['GET', '/announce/../x', 404, /tracker/],
      ['POST', '/announce', 405, /GET/],
    ]
    for (const [method, path, status, body] of table) {
      const answer = await fetch(base + path, { method })
      assert.deepEqual([answer.status, body.test(await answer.text())], [status, true], path)
    }
  })

  it('takes no address but the one that a peer speaks from', async () => {
    const infohash = Buffer.alloc(20, 'another')
    const url = new URL(urls.http)
    url.search = '?ip=192.0.2.66&ipv4=192.0.2.66&ipv6=2001:db8::66'
    await answered(url, { infohash, port: 7001 })
    const { addresses } = await answered(urls.http, { infohash, port: 7002 })
    assert.deepEqual(addresses, [{ host: '127.0.0.1', port: 7001 }])
  })

  describe('over UDP', () => {
    let socket: Socket
    before(async () => {
      socket = createSocket('udp4')
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      socket.connect(server.udp[0]!.port, '127.0.0.1')
      await once(socket, 'connect')
    })
    after(() => {
      socket.close()
    })

    /** The answers to datagrams that were sent one after the other; the last of them must be one that is answered. */
    const answersTo = async (...datagrams: Uint8Array[]): Promise<Buffer[]> => {
      const answers: Buffer[] = []
      const take = (answer: Buffer): void => void answers.push(answer)
      socket.on('message', take)
      for (const datagram of datagrams) socket.send(datagram)
      const last = datagrams.at(-1)!.subarray(12, 16)
      await until('the last answer', 5000, () => answers.at(-1)?.subarray(4, 8).equals(last) === true)
      socket.off('message', take)
      return answers
    }

    it('sends nothing to who has no connection id but what is no longer than the question', async () => {
      const forged = Buffer.alloc(8, 7)
      const url = new URL('udp://t.example:1')
      for (const question of [
        encodeConnect(1),
        encodeAnnounce(forged, 2, request(), url),
        encodeScrape(forged, 3, [FORBIDDEN]),
      ]) {
        const [answer] = await answersTo(question)
        assert.ok(answer!.length <= question.length, `${answer!.length} to ${question.length}`)
      }
      const [refusal] = await answersTo(encodeAnnounce(forged, 4, request(), url))
      assert.equal(refusal!.subarray(8).toString(), 'connection id is not valid')
    })

    it('does not answer what is no request', async () => {
      const connect = encodeConnect(77)
      const wrong = Uint8Array.from(connect)
      wrong[3]! ^= 1
      const cut = encodeAnnounce(new Uint8Array(8), 5, request(), new URL('udp://t.example:1')).subarray(
        0,
        97,
      )
      const noise = [
        Buffer.alloc(0),
        Buffer.from('hello'),
        connect.subarray(0, 15),
        wrong,
        cut,
        Buffer.alloc(1400),
      ]
      assert.equal((await answersTo(...noise, connect)).length, 1)
    })

    it('takes a connection id from its own address alone', async () => {
      const [connected] = await answersTo(encodeConnect(8))
      const id = connected!.subarray(8)
      const scrape = encodeScrape(id, 9, [FORBIDDEN])
      assert.equal((await answersTo(scrape))[0]!.readUInt32BE(0), 2)
      const other = createSocket('udp4')
      other.bind(0, '127.0.0.2')
      await once(other, 'listening')
      const answer = once(other, 'message')
      other.send(scrape, server.udp[0]!.port, '127.0.0.1')
      assert.equal(((await answer) as [Buffer])[0].readUInt32BE(0), 3)
      other.close()
    })
  })
})

describe('a tracker', () => {
  it('forgets who does not come back, and says when to', async () => {
    await using server = await serve({ intervalMs: 1000, expiryMs: 200 })
    const client = new TrackerClient()
    const url = new URL(`http://127.0.0.1:${server.http[0]!.port}/announce`)
    const first = await client.announce(url, request())
    assert.ok(first.kind === 'answer')
    assert.deepEqual([first.interval, first.minInterval], [1000, 1000])
    const infohash = Buffer.from(request().infohash).toString('hex')
    await until('it is forgotten', 20_000, () => server.scrape(infohash)?.leechers === 0)
    client.close()
  })

  it('ends with its connections, those included that say nothing', async () => {
    const server = await serve()
    const silent = connect(server.http[0]!.port, '127.0.0.1')
    await once(silent, 'connect')
    silent.on('error', () => {})
    const closed = once(silent, 'close')
    await Promise.all([server.close(), server.close(), closed])
  })

  it('says which address it cannot have, and leaves nothing open', async () => {
    await using first = await serve({ udp: [{ host: '127.0.0.1', port: 0 }] })
    const [http] = first.http
    const [udp] = first.udp
    for (const options of [{ http: [http!] }, { http: [{ host: '127.0.0.1', port: 0 }], udp: [udp!] }]) {
      const port = options.udp === undefined ? http!.port : udp!.port
      await assert.rejects(TrackerServer.listen(options), {
        code: 'ERR_TORRENTFS_LISTEN',
        message: new RegExp(`127\\.0\\.0\\.1:${port}`),
      })
    }
  })

  it('refuses options that make no sense, naming them', async () => {
    await assert.rejects(TrackerServer.listen({}), { code: 'ERR_TORRENTFS_ARGUMENT', message: /http or udp/ })
    for (const name of ['intervalMs', 'maxTorrents', 'maxAddresses'])
      await assert.rejects(serve({ [name]: 0 }), {
        code: 'ERR_TORRENTFS_ARGUMENT',
        message: new RegExp(name),
      })
  })
})

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { AnnounceRequest } from '../../../src/torrent/discovery/announce.js'
import { AnnounceLimiter } from '../../../src/torrent/discovery/announce-limiter.js'
import { TrackerClient, type TrackerClientOptions } from '../../../src/torrent/discovery/tracker-client.js'
import { politeUdp, RudeHttpTracker, RudeUdpTracker, udpAnswer } from './rude-trackers.js'

const request: AnnounceRequest = {
  infohash: new Uint8Array(20).fill(0x41),
  peerId: new Uint8Array(20),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  numWant: 10,
  key: 1,
}
const other = new Uint8Array(20).fill(0x42)

function client(o: TrackerClientOptions = {}): TrackerClient & Disposable {
  const made = new TrackerClient({ udpFirstTimeoutMs: 50, udpAttempts: 2, httpTimeoutMs: 3000, ...o })
  return Object.assign(made, { [Symbol.dispose]: () => made.close() })
}

const saying = (text: string) => (response: ServerResponse) => void response.end(Buffer.from(text, 'latin1'))

/** A name with both families, IPv6 first as systems give it. */
const bothFamilies: TrackerClientOptions = {
  lookup: () =>
    Promise.resolve([
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]),
}

/** Whether ::1 can be bound here. */
async function hasIpv6(): Promise<boolean> {
  const socket = createSocket('udp6')
  const bound = Promise.race([
    once(socket, 'listening').then(() => true),
    once(socket, 'error').then(() => false),
  ])
  socket.bind(0, '::1')
  const answer = await bound
  socket.close()
  return answer
}

const skip = (await hasIpv6()) ? false : 'no IPv6 loopback here'

test(
  'a tracker with addresses of both families is asked over both and their peers are put together',
  { skip },
  async () => {
    const six = udpAnswer(
      1,
      { transaction: 0 },
      `000007080000000300000005${`20010db8${'00'.repeat(11)}01`}1ae1`,
    )
    await using tracker4 = await RudeUdpTracker.start(politeUdp)
    await using _tracker6 = await RudeUdpTracker.start(
      datagram => {
        if (datagram.action === 0) return politeUdp(datagram)
        six.writeUInt32BE(datagram.transaction, 4)
        return six
      },
      '::1',
      tracker4.port,
    )
    using trackers = client(bothFamilies)
    const outcome = await trackers.announce(new URL(`udp://both.example:${tracker4.port}/announce`), request)
    assert.equal(outcome.kind, 'answer')
    assert.deepEqual(outcome.addresses.map(({ host }) => host).toSorted(), ['1.2.3.4', '2001:db8::1'])
  },
)

test(
  'a family that is silent delays the other by a second at most, one that refuses not at all',
  { skip },
  async () => {
    await using http = await RudeHttpTracker.start(saying('d8:intervali9ee'))
    const url = new URL(`http://both.example:${http.port}/announce`)
    using trackers = client(bothFamilies)
    const begun = performance.now()
    // Nobody listens at the port over IPv6.
    assert.equal((await trackers.announce(url, request)).kind, 'answer')
    assert.ok(performance.now() - begun < 900)

    await using udp = await RudeUdpTracker.start(politeUdp)
    using patient = client({ ...bothFamilies, udpFirstTimeoutMs: 20_000 })
    const later = performance.now()
    const outcome = await patient.announce(new URL(`udp://both.example:${udp.port}/announce`), request)
    assert.equal(outcome.kind, 'answer')
    const took = performance.now() - later
    assert.ok(took >= 900 && took < 2500, `${took} ms`)
  },
)

test('when no family is answered over, the failure is told', { skip }, async () => {
  await using udp = await RudeUdpTracker.start(() => undefined)
  using trackers = client(bothFamilies)
  await assert.rejects(trackers.announce(new URL(`udp://both.example:${udp.port}/announce`), request), {
    code: 'ERR_TORRENTFS_TIMEOUT',
  })
})

test('a scrape tells only of what was asked for', async () => {
  const entry = 'd8:completei1e10:downloadedi2e10:incompletei3ee'
  const files = `d5:filesd20:${'A'.repeat(20)}${entry}20:${'Z'.repeat(20)}${entry}ee`
  await using tracker = await RudeHttpTracker.start(saying(files))
  using trackers = client()
  assert.deepEqual(await trackers.scrape(tracker.url('/announce?k=1'), [request.infohash, other]), {
    kind: 'answer',
    entries: [{ infohash: '41'.repeat(20), seeders: 1, leechers: 3, downloads: 2 }],
  })
  assert.equal(tracker.requests[0]?.url.startsWith('/scrape?k=1&info_hash=AAAA'), true)
})

test('a scrape that is not offered, refused or nonsense is a refusal', async () => {
  using trackers = client()
  const kindOf = async (url: URL): Promise<string> => (await trackers.scrape(url, [other])).kind
  assert.equal(await kindOf(new URL('http://127.0.0.1:1/a')), 'refusal')
  for (const text of ['d14:failure reason2:noe', 'd5:filesi1ee', '<html>', '']) {
    await using tracker = await RudeHttpTracker.start(saying(text))
    assert.equal(await kindOf(tracker.url()), 'refusal', text)
  }
  await using udp = await RudeUdpTracker.start(datagram =>
    datagram.action === 0 ? politeUdp(datagram) : udpAnswer(3, datagram, '6e6f'),
  )
  assert.deepEqual(await trackers.scrape(udp.url, [other]), { kind: 'refusal', reason: 'no' })
  assert.deepEqual(await trackers.scrape(udp.url, []), { kind: 'answer', entries: [] })
})

test('refusals are answers to the limiter, silence is not', async () => {
  await using refusing = await RudeHttpTracker.start(saying('d14:failure reason2:noe'))
  await using silent = await RudeUdpTracker.start(() => undefined)
  using trackers = client({ limiter: new AnnounceLimiter({ failuresBeforeHold: 2 }), udpFirstTimeoutMs: 5 })
  for (let count = 0; count < 4; count++) {
    assert.equal((await trackers.announce(refusing.url(), request)).kind, 'refusal')
  }
  for (const code of ['TIMEOUT', 'TIMEOUT', 'TRACKER', 'TRACKER']) {
    await assert.rejects(trackers.announce(silent.url, request), { code: `ERR_TORRENTFS_${code}` })
  }
})

test('a closed client ends what is under way and takes nothing more', async () => {
  await using http = await RudeHttpTracker.start(() => {})
  await using udp = await RudeUdpTracker.start(() => undefined)
  using trackers = client({ udpFirstTimeoutMs: 20_000 })
  const ends = [http.url(), udp.url].map(url =>
    assert.rejects(trackers.announce(url, request), { name: 'TorrentError' }),
  )
  while (http.requests.length === 0 || udp.datagrams.length === 0) await new Promise(setImmediate)
  trackers.close()
  trackers.close()
  await Promise.all(ends)
  await assert.rejects(trackers.announce(http.url(), request), { code: 'ERR_TORRENTFS_CLOSED' })
  await assert.rejects(trackers.scrape(udp.url, [other]), { code: 'ERR_TORRENTFS_CLOSED' })
})

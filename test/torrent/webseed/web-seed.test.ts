import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { networkInterfaces } from 'node:os'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { eventually } from '../../support/child.js'
import { readAll, readAndCompare, seededTorrent, type Seeded } from './seeded-torrent.js'
import { SeedServer } from './seed-server.js'

const KiB = 1024
const limit = { timeout: 120_000 }

const seedOf = (seeded: Seeded): ReturnType<Seeded['torrent']['status']>['webSeeds'][number] =>
  seeded.torrent.status().webSeeds[0]!
const ranges = (server: SeedServer): (string | undefined)[] => server.requests.map(({ range }) => range)

describe('what is asked of a web seed', () => {
  test('a small read fetches its piece, by one request', limit, async t => {
    const seeded = await seededTorrent(t)
    await readAndCompare(seeded, 0, 5 * 65536 + 100, 5 * 65536 + 4196)
    await sleep(200)
    assert.deepEqual(ranges(seeded.server), ['bytes=327680-393215'])
    assert.equal(seeded.server.sent, 65536)
    const { headers, url } = seeded.server.requests[0]!
    assert.equal(url, '/file')
    assert.match(headers['user-agent']!, /^torrentfs\/\d/)
    assert.equal(headers['accept-encoding'], 'identity')
    assert.equal(headers.authorization, undefined)
  })

  test('random reads cost the pieces they touch', limit, async t => {
    const seeded = await seededTorrent(t, { length: 400 * 64 * KiB })
    const pieces = [300, 3, 77, 398, 12, 205, 120, 33, 250, 391]
    for (const piece of pieces) await readAndCompare(seeded, 0, piece * 65536 + 1, piece * 65536 + 40_000)
    const overhead = seeded.server.sent / (pieces.length * 65536)
    t.diagnostic(`payload overhead of random reads: ${overhead.toFixed(3)}`)
    assert.equal(overhead, 1)
    assert.equal(seeded.torrent.status().wastedBytes, 0)
  })

  test('reading in order takes few requests, on few connections', limit, async t => {
    const seeded = await seededTorrent(t, { length: 48 * 1024 * KiB, pieceLength: 256 * KiB })
    await readAll(seeded)
    t.diagnostic(`48 MiB: ${seeded.server.requests.length} requests, ${seeded.server.opened} connections`)
    assert.ok(seeded.server.requests.length <= 24, String(ranges(seeded.server)))
    assert.ok(seeded.server.opened <= 6, `${seeded.server.opened} connections`)
    assert.ok(seeded.server.sent <= 1.1 * seeded.content.length, `${seeded.server.sent} bytes sent`)
  })

  test('a reader that stops is sent no more than the socket holds', limit, async t => {
    const seeded = await seededTorrent(t, {
      length: 128 * 1024 * KiB,
      pieceLength: 256 * KiB,
      client: { readaheadBytes: 1024 * KiB },
    })
    const reader = seeded.torrent.files[0]!.createReader()
    const target = Buffer.alloc(256 * KiB)
    for (let at = 0; at < 24 * 1024 * KiB; at += target.length) await reader.readAt(target, at)
    await sleep(300)
    const sent = seeded.server.sent
    await sleep(1000)
    assert.equal(seeded.server.sent, sent, 'it stands still')
    reader.close()
    assert.ok(sent < 48 * 1024 * KiB, `${sent} bytes sent for 24 MiB read`)
  })

  test('idle, it holds no sockets and takes no part', limit, async t => {
    const seeded = await seededTorrent(t)
    assert.equal(seedOf(seeded).active, false)
    assert.equal(seeded.server.opened, 0)
    await readAndCompare(seeded, 0, 0, 1000)
    assert.equal(seedOf(seeded).active, true)
    await eventually('it leaves', 60_000, () => !seedOf(seeded).active && seeded.server.sockets.size === 0)
    await readAndCompare(seeded, 0, 65536, 66000)
    assert.equal(seedOf(seeded).active, true)
  })

  test('files of all sizes, odd names and pads come whole', limit, async t => {
    const seeded = await seededTorrent(t, {
      pieceLength: 32 * KiB,
      files: [
        { path: ['empty'], length: 0 },
        { path: ['a b', '100%.txt'], length: 1 },
        { path: ['c+d;e', 'ü 日本.bin'], length: 100_000 },
        { path: ['.pad', '1'], length: 31_071, pad: true },
        { path: ['"quotes" & #hash?'], length: 333_333 },
        ...Array.from({ length: 60 }, (_, i) => ({ path: ['tiny', `${i}`], length: 7 * i + 1 })),
        { path: ['last'], length: 50_000 },
      ],
    })
    await readAll(seeded)
    const urls = new Set(seeded.server.requests.map(({ url }) => url))
    assert.ok(![...urls].some(url => url.includes('pad')), 'no pad is asked for')
    assert.equal(seedOf(seeded).missingParts, 0)
    assert.equal(seeded.torrent.status().wastedBytes, 0)
  })

  test('without web seeds nothing is asked', limit, async t => {
    const seeded = await seededTorrent(t, { client: { disableWebSeeds: true } })
    await assert.rejects(
      seeded.torrent.files[0]!.createReader().readAt(Buffer.alloc(10), 0, { timeoutMs: 300 }),
      { code: 'ERR_TORRENTFS_READ_TIMEOUT' },
    )
    assert.equal(seeded.server.opened, 0)
  })

  test('one that is added later serves a read that waits already', limit, async t => {
    const seeded = await seededTorrent(t, { webSeeds: () => [] })
    const reading = readAndCompare(seeded, 0, 0, 1000)
    await sleep(50)
    assert.throws(() => seeded.torrent.addWebSeed('ftp://h/'), { code: 'ERR_TORRENTFS_ARGUMENT' })
    seeded.torrent.addWebSeed(seeded.server.url('/file'))
    await reading
  })
})

describe('a web seed that misbehaves', () => {
  const wrong: readonly (readonly [string, (response: ServerResponse) => void])[] = [
    ['404', response => void response.writeHead(404).end('no')],
    ['403 with a long body', response => void response.writeHead(403).end('x'.repeat(1 << 20))],
    ['410', response => void response.writeHead(410).end()],
    ['416', response => void response.writeHead(416, { 'Content-Range': 'bytes */5' }).end()],
    ['another range', response => void response.writeHead(206, { 'Content-Range': 'bytes 1-2/3' }).end('ab')],
    ['a part without a range', response => void response.writeHead(206).end('ab')],
    [
      'a compressed body',
      response => void response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('ab')),
    ],
    ['a shorter file', response => void response.writeHead(200, { 'Content-Length': 3 }).end('abc')],
    ['a redirect to nowhere', response => void response.writeHead(302, { Location: 'ftp://h/' }).end()],
  ]
  for (const [what, answer] of wrong) {
    test(`${what}: that file is dropped there, others are not`, limit, async t => {
      const files = [
        { path: ['bad'], length: 65536 },
        { path: ['good'], length: 65536 },
      ]
      const seeded = await seededTorrent(t, { files })
      seeded.server.answering = (request, response) => {
        if (request.url !== '/torrent/bad') return false
        answer(response)
        return true
      }
      const reader = seeded.torrent.files[0]!.createReader()
      const reading = reader.readAt(Buffer.alloc(10), 0)
      reading.catch(() => undefined)
      await eventually('it is dropped', 30_000, () => seedOf(seeded).missingParts === 1)
      await readAndCompare(seeded, 1, 0, 65536)
      assert.equal(seeded.server.requests.filter(({ url }) => url === '/torrent/bad').length, 1)
      assert.equal(seedOf(seeded).missingParts, 1)
      // Another one has it: the read that waits is served.
      await using other = await SeedServer.start(Object.fromEntries(seeded.server.files))
      seeded.torrent.addWebSeed(other.url('/'))
      await reading
      reader.close()
    })
  }

  test('503 with Retry-After: it is left alone for as long as it asks', limit, async t => {
    const seeded = await seededTorrent(t)
    let refusedAt = 0
    seeded.server.answering = (_, response, number) => {
      if (number > 1) return false
      refusedAt = performance.now()
      response.writeHead(503, { 'Retry-After': '2' }).end('busy')
      return true
    }
    await readAndCompare(seeded, 0, 0, 1000)
    assert.ok(performance.now() - refusedAt >= 1900)
    assert.equal(seeded.server.requests.length, 2)
  })

  test('500 and broken connections: it is asked again after a while', limit, async t => {
    const seeded = await seededTorrent(t)
    seeded.server.answering = (_, response, number) => {
      if (number === 1) response.writeHead(500).end()
      else if (number === 2) response.destroy()
      else return false
      return true
    }
    await readAndCompare(seeded, 0, 0, 1000)
    assert.equal(seeded.server.requests.length, 3)
    assert.equal(seedOf(seeded).problem, undefined)
  })

  test('bodies that break off midway go on where they broke', limit, async t => {
    const seeded = await seededTorrent(t, { length: 8 * 1024 * KiB })
    seeded.server.answering = (request, response, number) => {
      const [first, last] = /(\d+)-(\d+)/.exec(request.headers.range!)!.slice(1).map(Number) as [
        number,
        number,
      ]
      if (number % 3 !== 1) return false
      const length = seeded.content.length
      response.writeHead(206, {
        'Content-Range': `bytes ${first}-${last}/${length}`,
        'Content-Length': last - first + 1,
      })
      response.write(seeded.content.subarray(first, first + Math.ceil((last - first) / 2)), () =>
        response.destroy(),
      )
      return true
    }
    await readAll(seeded)
    assert.equal(seeded.torrent.status().failedPieces, 0)
  })

  test('a body longer than promised is cut off', limit, async t => {
    const seeded = await seededTorrent(t)
    seeded.server.answering = (request, response) => {
      const [first, last] = /(\d+)-(\d+)/.exec(request.headers.range!)!.slice(1).map(Number) as [
        number,
        number,
      ]
      // Without a length: in chunks.
      response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${seeded.content.length}` })
      response.write(seeded.content.subarray(first, last + 1))
      response.end(Buffer.alloc(1 << 20, 'x'))
      return true
    }
    await readAll(seeded)
    const status = seeded.torrent.status()
    assert.equal(status.failedPieces, 0)
    assert.ok(seedOf(seeded).received <= seeded.content.length)
  })

  test('a server that knows no ranges serves a file from its beginning', limit, async t => {
    const seeded = await seededTorrent(t, { length: 3 * 1024 * KiB })
    seeded.server.answering = (_, response) => {
      response.writeHead(200, { 'Content-Length': seeded.content.length })
      seeded.server.pour(response, seeded.content)
      return true
    }
    await readAll(seeded)
    assert.equal(seedOf(seeded).missingParts, 0)
  })

  test('wrong bytes are blamed on it: it is asked nothing more', limit, async t => {
    const seeded = await seededTorrent(t)
    await using other = await SeedServer.start(Object.fromEntries(seeded.server.files))
    seeded.server.answering = (request, response) => {
      seeded.server.give(request, response, Buffer.alloc(seeded.content.length, 'x'))
      return true
    }
    const reading = readAndCompare(seeded, 0, 0, 1000)
    await eventually('it is banned', 30_000, () => seedOf(seeded).banned !== undefined)
    seeded.torrent.addWebSeed(other.url('/'))
    await reading
    await readAll(seeded)
    assert.equal(seeded.server.requests.length, 1)
    assert.equal(seeded.torrent.status().failedPieces, 1)
    assert.equal(seedOf(seeded).active, false)
  })

  test('one that goes away midway is asked again when it is back', limit, async t => {
    const seeded = await seededTorrent(t, { length: 6 * 1024 * KiB })
    const reading = readAll(seeded)
    await eventually('half of it is here', 30_000, () => seeded.torrent.status().storedBytes > 2 ** 20)
    await seeded.server.kill()
    await sleep(500)
    await seeded.server.listen()
    await reading
  })

  test('a silent server is given up in time', limit, async t => {
    const seeded = await seededTorrent(t, { webSeeds: server => [server.url('/')] })
    seeded.server.answering = () => true
    const reading = readAndCompare(seeded, 0, 0, 1000)
    await eventually('it is asked', 30_000, () => seeded.server.requests.length > 0)
    await using other = await SeedServer.start(Object.fromEntries(seeded.server.files))
    seeded.torrent.addWebSeed(other.url('/'))
    await reading
  })
})

describe('where a web seed leads', () => {
  test('redirects are followed, and remembered', limit, async t => {
    const seeded = await seededTorrent(t)
    await using other = await SeedServer.start({ '/elsewhere/x': seeded.content })
    seeded.server.answering = (_, response) => {
      response.writeHead(302, { Location: other.url('/elsewhere/x') }).end('moved')
      return true
    }
    await readAndCompare(seeded, 0, 0, 1000)
    await readAndCompare(seeded, 0, 10 * 65536, 10 * 65536 + 1000)
    assert.equal(seeded.server.requests.length, 1)
    // What was remembered is not there any more: it is asked anew where it began.
    other.files.clear()
    seeded.server.answering = () => false
    await readAndCompare(seeded, 0, 15 * 65536, 15 * 65536 + 1000)
    assert.equal(seeded.server.requests.length, 2)
  })

  test('a loop of redirects ends', limit, async t => {
    const seeded = await seededTorrent(t)
    seeded.server.answering = (_, response) => {
      response.writeHead(301, { Location: '/file' }).end()
      return true
    }
    const reader = seeded.torrent.files[0]!.createReader()
    reader.readAt(Buffer.alloc(1), 0).catch(() => undefined)
    await eventually('it is dropped', 30_000, () => seedOf(seeded).missingParts === 1)
    assert.equal(seeded.server.requests.length, 6)
    reader.close()
  })

  test('credentials go to their server, to no other, and into no status', limit, async t => {
    const seeded = await seededTorrent(t, {
      webSeeds: server => [`http://user:secret@127.0.0.1:${server.port}/`],
    })
    await using other = await SeedServer.start({ '/file': seeded.content })
    seeded.server.answering = (_, response) => {
      response.writeHead(302, { Location: other.url('/file') }).end()
      return true
    }
    await readAndCompare(seeded, 0, 0, 1000)
    assert.equal(seeded.server.requests[0]!.headers.authorization, `Basic ${btoa('user:secret')}`)
    assert.equal(other.requests[0]!.headers.authorization, undefined)
    assert.doesNotMatch(JSON.stringify(seeded.torrent.status()), /secret|user/)
  })

  test('nothing from the network leads to this machine', limit, async t => {
    const own = Object.values(networkInterfaces())
      .flatMap(addresses => addresses ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)
    if (own === undefined) return t.skip('no network here')
    const seeded = await seededTorrent(t, { webSeeds: () => [] })
    await using far = await SeedServer.start({}, own.address)
    far.answering = (_, response) => {
      response.writeHead(302, { Location: seeded.server.url('/file') }).end()
      return true
    }
    seeded.torrent.addWebSeed(far.url('/'))
    const reader = seeded.torrent.files[0]!.createReader()
    reader.readAt(Buffer.alloc(1), 0).catch(() => undefined)
    await eventually('it is refused', 30_000, () => /nearer network/.test(seedOf(seeded).problem ?? ''))
    assert.equal(seeded.server.requests.length, 0)
    reader.close()
  })

  test('a stranger’s query is not sent to a service of this machine', limit, async t => {
    const seeded = await seededTorrent(t, { webSeeds: server => [server.url('/file?delete=all')] })
    const reader = seeded.torrent.files[0]!.createReader()
    reader.readAt(Buffer.alloc(1), 0).catch(() => undefined)
    await eventually('it is refused', 30_000, () => /with a query/.test(seedOf(seeded).problem ?? ''))
    assert.equal(seeded.server.opened, 0)
    reader.close()
  })
})

describe('a BEP 17 seed', () => {
  const pieces = (seeded: () => Seeded): SeedServer['answering'] => {
    return (request, response) => {
      const query = new URL(request.url!, 'http://h').searchParams
      const begin = Number(query.get('piece')) * seeded().pieceLength
      const [first, last] = query.get('ranges')!.split('-').map(Number) as [number, number]
      const body = seeded().content.subarray(begin + first, begin + last + 1)
      response.writeHead(200, { 'Content-Length': body.length }).end(body)
      return true
    }
  }

  test('gives every piece', limit, async t => {
    const seeded = await seededTorrent(t, { httpSeeds: server => [server.url('/seed.php')] })
    seeded.server.answering = pieces(() => seeded)
    await readAll(seeded)
    assert.equal(seedOf(seeded).kind, 'pieces')
    assert.equal(seeded.torrent.status().wastedBytes, 0)
  })

  test('says in a body when to come again', limit, async t => {
    const seeded = await seededTorrent(t, { httpSeeds: server => [server.url('/seed.php')] })
    const good = pieces(() => seeded)
    let refusedAt = 0
    seeded.server.answering = (request, response, number) => {
      if (number > 1) return good(request, response, number)
      refusedAt = performance.now()
      response.writeHead(503).end('2')
      return true
    }
    await readAndCompare(seeded, 0, 0, 1000)
    assert.ok(performance.now() - refusedAt >= 1900)
  })
})

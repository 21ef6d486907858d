import assert from 'node:assert/strict'
import { createServer as createHttpServer, type ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateSync, gzipSync } from 'node:zlib'
import { HostResolver, type LookupHost } from '../../../src/torrent/net/host-resolver.js'
import { HttpExchange } from '../../../src/torrent/discovery/http-exchange.js'
import { certificate } from './loopback-certificate.js'
import { RudeHttpTracker } from './rude-trackers.js'

interface Overrides {
  timeoutMs?: number
  maxBodyBytes?: number
  ca?: string
  lookup?: LookupHost
}

function exchange(o: Overrides = {}): HttpExchange & Disposable {
  const { lookup, ...rest } = o
  const resolver = new HostResolver(lookup)
  const made = new HttpExchange({ resolver, userAgent: 'test/1', timeoutMs: 5000, ...rest })
  return Object.assign(made, { [Symbol.dispose]: () => made.close() })
}

const text = (body: Uint8Array): string => Buffer.from(body).toString('latin1')
const trackerError = (message: RegExp): object => ({ code: 'ERR_TORRENTFS_TRACKER', message })

test('a body is fetched with the status it came with', async () => {
  await using tracker = await RudeHttpTracker.start(response => response.writeHead(404).end('d5:errore'))
  using http = exchange()
  const { status, body } = await http.get(tracker.url('/announce?a=%FF'), 4)
  assert.deepEqual([status, text(body)], [404, 'd5:errore'])
  assert.equal(tracker.requests[0]?.url, '/announce?a=%FF')
  assert.equal(tracker.requests[0]?.headers['user-agent'], 'test/1')
})

test('gzip is undone whether or not it was announced, deflate when it was', async () => {
  const replies: ((response: ServerResponse) => void)[] = [
    response => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('d1')),
    response => response.end(gzipSync('d2')),
    response => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('d3'),
    response => response.writeHead(200, { 'Content-Encoding': 'deflate' }).end(deflateSync('d4')),
  ]
  await using tracker = await RudeHttpTracker.start(response => replies.shift()?.(response))
  using http = exchange()
  for (const expected of ['d1', 'd2', 'd3', 'd4']) {
    assert.equal(text((await http.get(tracker.url(), 4)).body), expected)
  }
})

test('a body of too many bytes ends the request, compressed or not', async () => {
  await using endless = await RudeHttpTracker.start(response => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16384)));
    }
    response.on('drain', more)
    more()
  })
  await using bomb = await RudeHttpTracker.start(response => response.end(gzipSync(Buffer.alloc(1 << 22))))
  using http = exchange({ maxBodyBytes: 1 << 16 })
  await assert.rejects(http.get(endless.url(), 4), trackerError(/more than 65536 bytes/))
  await assert.rejects(http.get(bomb.url(), 4), trackerError(/larger than 65536 bytes/))
})

test('corrupt gzip, a body cut short and a broken connection are errors of the tracker', async () => {
  const replies: ((response: ServerResponse) => void)[] = [
    response => response.end(Buffer.concat([gzipSync('d1').subarray(0, 15), Buffer.alloc(9)])),
    response => {
      response.writeHead(200, { 'Content-Length': 100 }).write('d1')
      setTimeout(() => response.destroy(), 20)
    },
    response => response.destroy(),
  ]
  await using tracker = await RudeHttpTracker.start(response => replies.shift()?.(response))
  using http = exchange()
  for (let left = replies.length; left > 0; left--) {
    await assert.rejects(http.get(tracker.url(), 4), trackerError(/^http:\/\/127\.0\.0\.1:\d+: /))
  }
})

test('what is not HTTP is an error of the tracker', async () => {
  const garbage = [
    'd8:completee',
    'HTTP/1.1 999999 x\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
    '\0\xff',
  ]
  for (const reply of garbage) {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.end(Buffer.from(reply, 'latin1'))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    using http = exchange()
    const { port } = server.address() as { port: number }
    await assert.rejects(http.get(new URL(`http://127.0.0.1:${port}/announce`), 4), trackerError(/./))
    server.close()
  }
})

test('redirects are followed, relative ones too, and the query of the first request is not lost on the way', async () => {
  await using tracker = await RudeHttpTracker.start((response, request) => {
    if (request.url?.startsWith('/announce?') === true) {
      response.writeHead(302, { Location: request.url.replace('/announce', 'announce2') }).end()
    } else response.end('d0')
  })
  using http = exchange()
  assert.equal(text((await http.get(tracker.url('/announce?x=%FF'), 4)).body), 'd0')
  assert.equal(tracker.requests[1]?.url, '/announce2?x=%FF')
})

test('a loop of redirects ends, and so does one whose bodies never do', async () => {
  await using tracker = await RudeHttpTracker.start(response => {
    response.writeHead(302, { Location: '/announce' }).write('x')
  })
  using http = exchange()
  await assert.rejects(http.get(tracker.url(), 4), trackerError(/more than 5 redirects/))
  assert.equal(tracker.requests.length, 6)
})

test('redirects to other schemes and to nonsense are refused', async () => {
  const targets = [
    'file:///etc/passwd',
    'udp://127.0.0.1:9/announce',
    'http://',
    'javascript:0',
    'http://[::z]/',
  ]
  for (const target of targets) {
    await using tracker = await RudeHttpTracker.start(response =>
      response.writeHead(301, { Location: target }).end(),
    )
    using http = exchange()
    await assert.rejects(http.get(tracker.url(), 4), trackerError(/redirect to nowhere/), target)
  }
})

test('a torrent cannot make this machine talk to its own services', async () => {
  await using service = await RudeHttpTracker.start(response => response.end('d6:secrete'))
  using http = exchange({ lookup: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]) })
  await assert.rejects(http.get(service.url('/admin?delete=all'), 4), trackerError(/not at \/announce/))
  await assert.rejects(http.get(service.url('/admin', 'evil.example'), 4), trackerError(/not at \/announce/))
  assert.equal(service.requests.length, 0)
  await http.get(service.url('/announce', 'local.example'), 4)
})

test('a name that points afar at first and to this machine later leads nowhere', async () => {
  await using service = await RudeHttpTracker.start(response => response.end('d6:secrete'))
  using http = exchange({
    lookup: () =>
      Promise.resolve([
        { address: '127.0.0.1', family: 4 },
        { address: '192.0.2.1', family: 4 },
      ]),
  })
  await assert.rejects(
    http.get(service.url('/announce', 'evil.example'), 4),
    trackerError(/leads to this machine/),
  )
  assert.equal(service.requests.length, 0)
})

test('a tracker that says nothing, or a byte a moment, ends at the deadline', async () => {
  await using silent = await RudeHttpTracker.start(() => {})
  await using slow = await RudeHttpTracker.start(response => {
    const timer = setInterval(() => response.write('d'), 20)
    response.on('close', () => clearInterval(timer))
  })
  using http = exchange({ timeoutMs: 150 })
  const begun = performance.now()
  for (const tracker of [silent, slow]) {
    await assert.rejects(http.get(tracker.url(), 4), { code: 'ERR_TORRENTFS_TIMEOUT' })
  }
  assert.ok(performance.now() - begun < 2000)
})

test('an abort ends the request at once and closes its connection', async () => {
  let closed = false
  await using tracker = await RudeHttpTracker.start(response => {
    response.on('close', () => (closed = true))
  })
  using http = exchange()
  const controller = new AbortController()
  const request = http.get(tracker.url(), 4, controller.signal)
  while (tracker.requests.length === 0) await sleep(5)
  controller.abort()
  await assert.rejects(request, { code: 'ERR_TORRENTFS_ABORTED' })
  for (let waited = 0; !closed && waited < 100; waited++) await sleep(10)
  assert.equal(closed, true)
})

test('a refused connection and a name without an address of the family are errors of the tracker', async () => {
  const tracker = await RudeHttpTracker.start(() => {})
  const url = tracker.url()
  await tracker[Symbol.asyncDispose]()
  using http = exchange()
  await assert.rejects(http.get(url, 4), trackerError(/ECONNREFUSED/))
  using six = exchange({ lookup: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]) })
  await assert.rejects(six.get(new URL('http://four.example/announce'), 6), trackerError(/no IPv6 address/))
})

test('a connection is kept for the next request', async () => {
  const ports = new Set<number | undefined>()
  await using tracker = await RudeHttpTracker.start((response, request) => {
    ports.add(request.socket.remotePort)
    response.end('d0')
  })
  using http = exchange()
  for (let count = 0; count < 4; count++) {
    await http.get(tracker.url(), 4)
    // A connection is back in the pool a moment after its answer.
    await sleep(5)
  }
  assert.equal(ports.size, 1)
})

test('kept connections that turn out to be dead, all of them, are no failure of the tracker', async () => {
  const used = new WeakSet<object>()
  let dead = 0
  await using tracker = await RudeHttpTracker.start((response, request) => {
    if (used.has(request.socket)) {
      dead++
      request.socket.destroy()
    } else response.end('d0')
    used.add(request.socket)
  })
  using http = exchange()
  await Promise.all([http.get(tracker.url(), 4), http.get(tracker.url(), 4)])
  await sleep(20)
  assert.equal(text((await http.get(tracker.url(), 4)).body), 'd0')
  assert.equal(dead, 1)
})

test('https is checked against the certificates that are trusted', async () => {
  await using tracker = await RudeHttpTracker.start(response => response.end('d0'), { tls: true })
  using trusting = exchange({ ca: certificate })
  assert.equal(text((await trusting.get(tracker.url(), 4)).body), 'd0')
  using wary = exchange()
  await assert.rejects(wary.get(tracker.url(), 4), trackerError(/self-signed/))
})

test('https does not lead to http', async () => {
  await using plain = await RudeHttpTracker.start(response => response.end('d0'))
  const location = plain.url().href
  await using tracker = await RudeHttpTracker.start(
    response => response.writeHead(302, { Location: location }).end(),
    { tls: true },
  )
  using http = exchange({ ca: certificate })
  await assert.rejects(http.get(tracker.url(), 4), trackerError(/from https to http/))
})

test('IPv6 trackers are reached', async t => {
  const tracker = await RudeHttpTracker.start(response => response.end('d0'), { host: '::1' }).catch(
    () => undefined,
  )
  if (tracker === undefined) return t.skip('no IPv6 loopback here')
  await using _ = tracker
  using http = exchange()
  assert.equal(text((await http.get(tracker.url(), 6)).body), 'd0')
})

test('a tracker at an address of the network leads to this machine by no redirect', async t => {
  const own = Object.values(networkInterfaces())
    .flatMap(addresses => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  if (own === undefined) return t.skip('no network here')
  await using service = await RudeHttpTracker.start(response => response.end('d6:secrete'))
  const far = createHttpServer((_, response) => {
    response.writeHead(302, { Location: service.url('/announce').href }).end()
  })
  far.listen(0, own.address)
  await once(far, 'listening')
  t.after(() => far.close())
  using http = exchange()
  const { port } = far.address() as { port: number }
  await assert.rejects(
    http.get(new URL(`http://${own.address}:${port}/announce`), 4),
    trackerError(/leads to this machine/),
  )
  assert.equal(service.requests.length, 0)
})

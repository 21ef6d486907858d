import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Outlet } from '../../../src/torrent/net/outlet.js'
import { HttpPool, type Exchange, type HttpPoolOptions } from '../../../src/torrent/webseed/http-pool.js'
import { certificate, privateKey } from '../discovery/loopback-certificate.js'

const LENGTH = 1 << 22
/** What a rude server begins its answer with; 300,000 bytes follow. */
const HEADS = [
  `HTTP/1.1 206 P\r\nContent-Length: ${LENGTH}\r\nConnection: close\r\n\r\n`,
  `HTTP/1.1 206 P\r\nContent-Length: ${LENGTH}\r\n\r\n`,
  'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\n',
  'HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n',
  'HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'HTTP/1.1 100 C\r\n\r\n',
  'HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
  'garbage\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdefgHTTP/1.1 200 OK\r\n\r\n',
  `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(50_000)}\r\n\r\n`,
  'HTTP/1.1 204 N\r\nContent-Length: 9\r\n\r\nabcdefghi',
  '',
]
const ENDS: readonly ((socket: Socket) => void)[] = [
  socket => void socket.end(),
  socket => void socket.resetAndDestroy(),
]
const WAYS = ['read', 'pause', 'resume later', 'pause midway', 'abort', 'discard'] as const

const portOf = (server: Server): number => (server.address() as AddressInfo).port

function pool(o: Partial<HttpPoolOptions> = {}): HttpPool {
  return new HttpPool({ outlet: new Outlet(), userAgent: 'test/1', ...o })
}

/** Resolves with what became of a GET: `end`, or the code of its failure. */
function outcomeOf(of: HttpPool, url: string): Promise<string> {
  return new Promise(resolve => {
    of.get(new URL(url), {}, 'loopback', {
      head: () => {},
      data: () => {},
      end: () => resolve('end'),
      failed: error => resolve(error.code),
    })
  })
}

/** One rude answer, taken in one way. Returns what was told, in order. */
async function take(
  head: string,
  end: (socket: Socket) => void,
  way: (typeof WAYS)[number],
): Promise<string[]> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(Buffer.from(head, 'latin1'))
      socket.write(Buffer.alloc(300_000, 'x'))
      setTimeout(() => end(socket), 30)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const own = pool()
  const told: string[] = []
  await new Promise<void>(resolve => {
    const exchange: Exchange = own.get(new URL(`http://127.0.0.1:${portOf(server)}/x`), {}, 'loopback', {
      head: () => {
        told.push('head')
        if (way === 'pause' || way === 'resume later') exchange.pause()
        if (way === 'resume later') setTimeout(() => exchange.resume(), 100)
        if (way === 'abort') exchange.abort()
        if (way === 'discard') exchange.discard(1000)
      },
      data: () => {
        told.push('data')
        if (way === 'pause midway' && told.length === 3) exchange.pause()
      },
      end: () => {
        told.push('end')
        resolve()
      },
      failed: error => {
        told.push(error.code)
        resolve()
      },
    })
    // Whoever does not read to the end hears nothing for sure.
    if (way !== 'read') setTimeout(resolve, 400)
  })
  await own.close()
  server.close()
  return told
}

test('no answer, however it is taken and however it ends, does harm', { timeout: 120_000 }, async () => {
  for (const head of HEADS) {
    const cases = ENDS.flatMap(end => WAYS.map(way => ({ end, way })))
    const told = await Promise.all(cases.map(({ end, way }) => take(head, end, way)))
    for (const events of told) {
      const last = events.findIndex(event => event === 'end' || event.startsWith('ERR_'))
      assert.ok(last < 0 || last === events.length - 1, `${JSON.stringify(head)}: ${events.join()}`)
    }
    cases.forEach(({ way }, index) => {
      if (way === 'abort' && told[index]!.includes('head')) assert.deepEqual(told[index], ['head'])
    })
  }
})

test('a server that does not answer, or stops in the middle, is given up', { timeout: 60_000 }, async t => {
  for (const head of ['', HEADS[1]!]) {
    const sockets = new Set<Socket>()
    const server = createServer(socket => {
      sockets.add(socket.on('error', () => {}))
      socket.once('data', () => socket.write(Buffer.from(`${head}x`.slice(0, -1) || '\r', 'latin1')))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const own = pool({ answerTimeoutMs: 300, stallTimeoutMs: 300 })
    t.after(() => own.close())
    assert.equal(await outcomeOf(own, `http://127.0.0.1:${portOf(server)}/`), 'ERR_TORRENTFS_TIMEOUT')
  }
})

test('certificates are verified, and connections kept', { timeout: 60_000 }, async t => {
  let connections = 0
  const server = createHttpsServer({ cert: certificate, key: privateKey }, (_, response) => {
    response.end('hello')
  })
  server.on('secureConnection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const [strict, trusting] = [pool(), pool({ ca: certificate })]
  t.after(async () => {
    await Promise.all([strict.close(), trusting.close()])
    server.closeAllConnections()
    server.close()
  })
  const url = `https://127.0.0.1:${portOf(server)}/`
  assert.equal(await outcomeOf(strict, url), 'ERR_TORRENTFS_CONNECTION')
  connections = 0
  for (let i = 0; i < 3; i++) {
    assert.equal(await outcomeOf(trusting, url), 'end')
    await sleep(20)
  }
  assert.equal(connections, 1)
  assert.equal(await outcomeOf(trusting, url.replace('127.0.0.1', 'localhost')), 'end')
})

test('a closed pool fails what is asked of it', async () => {
  const own = pool()
  await own.close()
  assert.equal(await outcomeOf(own, 'http://127.0.0.1:1/'), 'ERR_TORRENTFS_CONNECTION')
})

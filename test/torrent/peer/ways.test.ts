import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'

import { TorrentError } from '../../../src/torrent/errors.js'
import type { Connect } from '../../../src/torrent/peer/dialer.js'
import { TcpTransport } from '../../../src/torrent/peer/tcp-transport.js'
import { Ways, type Way } from '../../../src/torrent/peer/ways.js'
import { handshakeOf, infohash, ourId, TestListener, theirId } from './loopback.js'

const limit = { timeout: 20_000 }
const identity = { infohash, peerId: theirId }
/** Longer than any test takes: a way that begins although it should not is seen. */
const FAR = 60_000

const byTcp: Connect = (to, signal) => TcpTransport.connect(to, signal)

/** A way of which it is known when it was begun and ended. */
class Watched implements Way {
  readonly kind: Way['kind']
  begun = 0
  aborted = 0
  readonly #connect: Connect

  constructor(kind: Way['kind'], connect: Connect) {
    this.kind = kind
    this.#connect = connect
  }

  readonly connect: Connect = (to, signal) => {
    this.begun++
    signal.addEventListener('abort', () => void this.aborted++)
    return this.#connect(to, signal)
  }
}

const refused: Connect = () => Promise.reject(new TorrentError('ERR_TORRENTFS_CONNECTION', 'refused'))

const silent: Connect = (_, signal) =>
  new Promise((_resolve, reject) => {
    const end = (): void => reject(new TorrentError('ERR_TORRENTFS_ABORTED', 'given up'))
    if (signal.aborted) end()
    signal.addEventListener('abort', end)
  })

/** Connects to somewhere else than it is told to. */
const toServer =
  (port: number): Connect =>
  (_, signal) =>
    TcpTransport.connect({ host: '127.0.0.1', port }, signal)

async function server(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const listening = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.after(() => {
    listening.close()
    for (const socket of sockets) socket.destroy()
  })
  return (listening.address() as AddressInfo).port
}

async function dialed(
  t: TestContext,
  first: Connect,
  second: Connect,
  headStartMs: number,
  timeoutMs = 10_000,
): Promise<{ tcp: Watched; utp: Watched; error: TorrentError | undefined }> {
  const listener = await TestListener.open(t)
  const [tcp, utp] = [new Watched('tcp', first), new Watched('utp', second)]
  const address = { host: '127.0.0.1', port: listener.port }
  try {
    const connection = await new Ways([tcp, utp]).dial(address, identity, { headStartMs, timeoutMs })
    assert.deepEqual(connection.peerId, ourId)
    connection.close()
    return { tcp, utp, error: undefined }
  } catch (error) {
    assert.ok(error instanceof TorrentError)
    return { tcp, utp, error }
  }
}

test('where TCP gets through nothing else is tried', limit, async t => {
  const { tcp, utp, error } = await dialed(t, byTcp, byTcp, FAR)
  assert.deepEqual([tcp.begun, utp.begun, error], [1, 0, undefined])
})

test('where TCP is refused uTP is tried at once', limit, async t => {
  const { utp, error } = await dialed(t, refused, byTcp, FAR)
  assert.deepEqual([utp.begun, error], [1, undefined])
})

test(
  'where TCP is not answered uTP is tried after the head start, and TCP given up when it wins',
  limit,
  async t => {
    const { tcp, utp, error } = await dialed(t, silent, byTcp, 50)
    assert.deepEqual([utp.begun, tcp.aborted, error], [1, 1, undefined])
  },
)

test('where TCP wins in spite of its delay uTP is given up', limit, async t => {
  const late: Connect = async (to, signal) => {
    await new Promise(resolve => setTimeout(resolve, 200))
    return byTcp(to, signal)
  }
  const { tcp, utp, error } = await dialed(t, late, silent, 50)
  assert.deepEqual([tcp.begun, utp.begun, utp.aborted, error], [1, 1, 1, undefined])
})

test('while TCP has got through and the handshakes go on uTP is not begun', limit, async t => {
  const port = await server(t, socket => {
    socket.resume()
    setTimeout(() => socket.write(handshakeOf(ourId)), 300)
  })
  const { utp, error } = await dialed(t, toServer(port), byTcp, 50)
  assert.deepEqual([utp.begun, error], [0, undefined])
})

test('where TCP is cut off in the handshakes uTP is tried', limit, async t => {
  const port = await server(t, socket => socket.destroy())
  const { utp, error } = await dialed(t, toServer(port), byTcp, FAR)
  assert.deepEqual([utp.begun, error], [1, undefined])
})

test('who is not the peer that was meant is not tried by another way', limit, async t => {
  const port = await server(t, socket => socket.write(handshakeOf(ourId, ourId)))
  const { utp, error } = await dialed(t, toServer(port), byTcp, FAR)
  assert.deepEqual([utp.begun, error?.code], [0, 'ERR_TORRENTFS_PROTOCOL'])
})

test('when no way gets through the failure of the first is told', limit, async t => {
  const other: Connect = () => Promise.reject(new TorrentError('ERR_TORRENTFS_CONNECTION', 'other'))
  const { utp, error } = await dialed(t, refused, other, FAR)
  assert.deepEqual([utp.begun, error?.message], [1, 'refused'])
})

test('all ways together have one deadline', limit, async t => {
  const { tcp, utp, error } = await dialed(t, silent, silent, 50, 300)
  assert.equal(error?.code, 'ERR_TORRENTFS_TIMEOUT')
  assert.deepEqual([tcp.begun, utp.begun], [1, 1])
})

test('aborting ends all ways, before and while they run', limit, async () => {
  const [tcp, utp] = [new Watched('tcp', silent), new Watched('utp', silent)]
  const ways = new Ways([tcp, utp])
  const address = { host: '127.0.0.1', port: 9 }
  const stop = new AbortController()
  const attempt = ways.dial(address, identity, { signal: stop.signal, headStartMs: 20 })
  setTimeout(() => stop.abort(), 100)
  await assert.rejects(attempt, { code: 'ERR_TORRENTFS_ABORTED' })
  assert.deepEqual([tcp.aborted, utp.aborted], [1, 1])
  await assert.rejects(ways.dial(address, identity, { signal: stop.signal }), {
    code: 'ERR_TORRENTFS_ABORTED',
  })
  await assert.rejects(new Ways([]).dial(address, identity), { code: 'ERR_TORRENTFS_CONNECTION' })
})

test('an address that only uTP led to is called by uTP first, until TCP wins there', limit, async t => {
  const listener = await TestListener.open(t)
  const address = { host: '127.0.0.1', port: listener.port }
  let [tcpWorks, utpWorks] = [false, true]
  const order: string[] = []
  const way = (kind: Way['kind'], works: () => boolean): Way => ({
    kind,
    connect: (to, signal) => {
      order.push(kind)
      return works() ? byTcp(to, signal) : refused(to, signal)
    },
  })
  const ways = new Ways([way('tcp', () => tcpWorks), way('utp', () => utpWorks)])
  const call = async (): Promise<string[]> => {
    const connection = await ways.dial(address, identity, { headStartMs: FAR })
    connection.close()
    return order.splice(0)
  }
  assert.deepEqual(await call(), ['tcp', 'utp'])
  assert.deepEqual(await call(), ['utp'])
  assert.deepEqual(await call(), ['utp'])
  ;[tcpWorks, utpWorks] = [true, false]
  assert.deepEqual(await call(), ['utp', 'tcp'])
  assert.deepEqual(await call(), ['tcp'])
})

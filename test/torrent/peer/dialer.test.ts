import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { dial } from '../../../src/torrent/peer/dialer.js'
import { encode } from '../wire/items.js'
import { handshakeOf, infohash, Listening, ourId, TestListener, theirId } from './loopback.js'

const identity = { infohash, peerId: theirId }
const limit = { timeout: 20_000 }

/** A server that treats each connection as told. */
async function server(
  t: TestContext,
  serve: (socket: Socket) => void,
): Promise<{ host: string; port: number }> {
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
  return { host: '127.0.0.1', port: (listening.address() as AddressInfo).port }
}

test('a dialed connection knows the peer and what it speaks', limit, async t => {
  const listener = await TestListener.open(t)
  const connection = await dial({ host: '127.0.0.1', port: listener.port }, { ...identity, dht: true })
  t.after(() => connection.close())
  const other = await listener.accepted()
  assert.deepEqual(connection.peerId, ourId)
  assert.deepEqual(other.peerId, theirId)
  assert.deepEqual(connection.address, { host: '127.0.0.1', port: listener.port, family: 4 })
  assert.deepEqual(
    [connection.supportsFast, connection.supportsExtensions, connection.supportsDht],
    [true, true, false],
  )
  assert.equal(other.supportsDht, true)
})

test('a name is looked up, and the address tells what was found', limit, async t => {
  const listener = await TestListener.open(t)
  const connection = await dial({ host: 'localhost', port: listener.port }, identity)
  t.after(() => connection.close())
  assert.equal(connection.address.host, '127.0.0.1')
})

test('messages in one packet with the handshake are kept', limit, async t => {
  const address = await server(t, socket => {
    socket.write(
      Buffer.concat([handshakeOf(ourId), encode([{ type: 'haveAll' }, { type: 'unchoke' }]).subarray(0, 8)]),
    )
    setTimeout(() => socket.write(encode([{ type: 'unchoke' }]).subarray(3)), 20)
  })
  const connection = await dial(address, identity)
  t.after(() => connection.close())
  const heard = new Listening()
  connection.setEvents(heard)
  await heard.until(() => heard.messages.length === 2)
  assert.deepEqual(heard.messages, [{ type: 'haveAll' }, { type: 'unchoke' }])
})

test('a handshake that comes byte by byte is taken', limit, async t => {
  const address = await server(t, socket => {
    socket.setNoDelay(true)
    void (async () => {
      for (const byte of handshakeOf(ourId)) {
        socket.write(Uint8Array.of(byte))
        await sleep(1)
      }
    })()
  })
  const connection = await dial(address, identity)
  assert.deepEqual(connection.peerId, ourId)
  connection.close()
})

test('where nobody listens there is no connection', limit, async t => {
  const listener = await TestListener.open(t)
  const { port } = listener
  await listener.listener.close()
  await assert.rejects(dial({ host: '127.0.0.1', port }, identity), {
    code: 'ERR_TORRENTFS_CONNECTION',
    message: new RegExp(`127\\.0\\.0\\.1:${port}`),
  })
})

test('who calls himself is told so, each time, and need not call again', limit, async t => {
  const listener = await TestListener.open(t)
  const address = { host: '127.0.0.1', port: listener.port }
  for (let i = 0; i < 20; i++) {
    await assert.rejects(dial(address, { infohash, peerId: ourId }), {
      code: 'ERR_TORRENTFS_PROTOCOL',
      message: /connected to ourselves/,
    })
  }
})

test('a name that does not exist is no connection', limit, async () => {
  await assert.rejects(dial({ host: 'nobody.invalid', port: 1 }, identity), {
    code: 'ERR_TORRENTFS_CONNECTION',
  })
})

const refusals: [string, (socket: Socket) => void, string][] = [
  ['says nothing', () => {}, 'ERR_TORRENTFS_TIMEOUT'],
  ['speaks something else', socket => socket.write('HTTP/1.1 400 Bad Request\r\n'), 'ERR_TORRENTFS_PROTOCOL'],
  ['has another torrent', socket => socket.write(handshakeOf(ourId, ourId)), 'ERR_TORRENTFS_PROTOCOL'],
  ['is ourselves', socket => socket.write(handshakeOf(theirId)), 'ERR_TORRENTFS_PROTOCOL'],
  ['closes at once', socket => socket.end(), 'ERR_TORRENTFS_CONNECTION'],
  [
    'closes in the handshake',
    socket => socket.end(handshakeOf(ourId).subarray(0, 50)),
    'ERR_TORRENTFS_CONNECTION',
  ],
  [
    'resets in the handshake',
    socket => {
      socket.write(handshakeOf(ourId).subarray(0, 50))
      setTimeout(() => socket.resetAndDestroy(), 20)
    },
    'ERR_TORRENTFS_CONNECTION',
  ],
  [
    'drips bytes for ever',
    socket => {
      socket.setNoDelay(true)
      let sent = 0
      const timer = setInterval(() => socket.write(handshakeOf(ourId).subarray(sent, ++sent)), 40)
      socket.on('close', () => clearInterval(timer))
    },
    'ERR_TORRENTFS_TIMEOUT',
  ],
]
for (const [what, serve, code] of refusals) {
  test(`a peer that ${what} is given up with ${code}, and its socket is closed`, limit, async t => {
    let gone: Promise<unknown> | undefined
    const address = await server(t, socket => {
      socket.resume()
      gone = once(socket, 'close')
      serve(socket)
    })
    const begin = performance.now()
    await assert.rejects(dial(address, identity, { timeoutMs: 200 }), { name: /Error$/, code })
    if (code === 'ERR_TORRENTFS_TIMEOUT') assert.ok(performance.now() - begin < 1000)
    await gone
  })
}

test('an attempt ends when it is aborted: before, while connecting, in the handshake', limit, async t => {
  let gone: Promise<unknown> | undefined
  const address = await server(t, socket => {
    socket.resume()
    gone = once(socket, 'close')
  })
  await assert.rejects(dial(address, identity, { signal: AbortSignal.abort() }), {
    code: 'ERR_TORRENTFS_ABORTED',
  })
  assert.equal(gone, undefined)

  const early = new AbortController()
  const connecting = dial(address, identity, { signal: early.signal })
  early.abort()
  await assert.rejects(connecting, { code: 'ERR_TORRENTFS_ABORTED' })

  const late = new AbortController()
  const shaking = dial(address, identity, { signal: late.signal })
  setTimeout(() => late.abort(), 50)
  await assert.rejects(shaking, { code: 'ERR_TORRENTFS_ABORTED' })
  await (gone as Promise<unknown> | undefined)
})

test('an abort after the handshake has no effect', limit, async t => {
  const listener = await TestListener.open(t)
  const stop = new AbortController()
  const connection = await dial({ host: '127.0.0.1', port: listener.port }, identity, { signal: stop.signal })
  t.after(() => connection.close())
  stop.abort()
  await sleep(20)
  assert.equal(connection.closed, false)
})

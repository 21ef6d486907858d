import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'

import type { PeerConnection } from '../../../src/torrent/peer/connection.js'
import { dial } from '../../../src/torrent/peer/dialer.js'
import type { EncryptionPolicy, Protection } from '../../../src/torrent/peer/encryption.js'
import { GreetingMemory } from '../../../src/torrent/peer/greeting-memory.js'
import { TorrentKeys } from '../../../src/torrent/peer/torrent-keys.js'
import { KeyPair } from '../../../src/torrent/wire/key-exchange.js'
import { StreamCaller } from '../../../src/torrent/wire/stream-encryption-caller.js'
import type { SecuredStream } from '../../../src/torrent/wire/stream-encryption.js'
import { encode } from '../wire/items.js'
import { handshakeOf, infohash, Listening, ourId, RawPeer, TestListener, theirId } from './loopback.js'

const identity = { infohash, peerId: theirId }
const limit = { timeout: 30_000 }
const otherTorrent = new Uint8Array(20).fill(0x2f)

function torrents(): TorrentKeys {
  const keys = new TorrentKeys()
  keys.add(infohash)
  keys.add(otherTorrent)
  return keys
}

async function listen(t: TestContext, policy: EncryptionPolicy): Promise<TestListener> {
  return TestListener.open(t, { encryption: { policy, torrents: torrents() } })
}

/** Passes connections on to a port, counts them, and cuts what passes into pieces of one byte. */
async function cuttingProxy(
  t: TestContext,
  port: number,
): Promise<{ address: { host: string; port: number }; connections: () => number }> {
  let connections = 0
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('error', () => to.destroy())
    from.on('data', bytes => {
      for (const byte of bytes.subarray(0, 2000)) to.write(Uint8Array.of(byte))
      if (bytes.length > 2000) to.write(bytes.subarray(2000))
    })
    from.on('close', () => to.destroy())
  }
  const server = createServer(socket => {
    connections++
    const beyond = connect({ host: '127.0.0.1', port })
    pass(socket, beyond)
    pass(beyond, socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    connections: () => connections,
  }
}

/** Sends messages and a block both ways. */
async function checkTalk(a: PeerConnection, b: PeerConnection): Promise<void> {
  const hears = [a, b].map(connection => {
    const target = new Uint8Array(16_384)
    const heard = new Listening({ blockTarget: () => target })
    connection.setEvents(heard)
    return { heard, target }
  })
  for (const [from, to] of [
    [a, hears[1]!],
    [b, hears[0]!],
  ] as const) {
    const payload = randomBytes(16_384)
    from.unchoke()
    from.request(1, 16_384, 16_384)
    // The connection may make of it what it likes.
    from.block(1, 16_384, Uint8Array.from(payload))
    from.have(7)
    await to.heard.until(() => to.heard.messages.some(message => message.type === 'have'))
    assert.deepEqual(
      to.heard.messages.map(message => message.type),
      ['unchoke', 'request', 'have'],
    )
    assert.deepEqual(Buffer.from(to.target), payload)
  }
}

const matrix: [
  caller: EncryptionPolicy,
  listener: EncryptionPolicy,
  Protection | undefined,
  attempts: number,
][] = [
  ['prefer', 'prefer', 'plain', 1],
  ['prefer', 'require', 'rc4', 2],
  ['prefer', 'disable', 'plain', 1],
  ['require', 'prefer', 'rc4', 1],
  ['require', 'require', 'rc4', 1],
  ['require', 'disable', undefined, 1],
  ['disable', 'prefer', 'plain', 1],
  ['disable', 'require', undefined, 1],
  ['disable', 'disable', 'plain', 1],
]
for (const [caller, answerer, protection, attempts] of matrix) {
  const outcome = protection === undefined ? 'do not meet' : `meet ${protection}`
  test(`a caller with ${caller} and a listener with ${answerer} ${outcome}, cut anyhow`, limit, async t => {
    const listener = await listen(t, answerer)
    const proxy = await cuttingProxy(t, listener.port)
    const encryption = { policy: caller, memory: new GreetingMemory() }
    const dialing = dial(proxy.address, identity, { encryption, timeoutMs: 20_000 })
    if (protection === undefined) {
      await assert.rejects(dialing, { code: 'ERR_TORRENTFS_CONNECTION' })
    } else {
      const outgoing = await dialing
      const incoming = await listener.accepted()
      t.after(() => {
        outgoing.close()
        incoming.close()
      })
      assert.deepEqual([outgoing.protection, incoming.protection], [protection, protection])
      assert.deepEqual([outgoing.peerId, incoming.peerId], [ourId, theirId])
      await checkTalk(outgoing, incoming)
    }
    assert.equal(proxy.connections(), attempts)
  })
}

test('what an address took is remembered: the next call comes with encryption at once', limit, async t => {
  const listener = await listen(t, 'require')
  const proxy = await cuttingProxy(t, listener.port)
  const encryption = { policy: 'prefer' as const, memory: new GreetingMemory() }
  for (const connections of [2, 3]) {
    const connection = await dial(proxy.address, identity, { encryption, timeoutMs: 20_000 })
    assert.equal(proxy.connections(), connections)
    connection.close()
    ;(await listener.accepted()).close()
  }
})

test(
  'an address that takes no encryption any more is called plainly after it, in the same attempt',
  limit,
  async t => {
    const listener = await listen(t, 'disable')
    const memory = new GreetingMemory()
    const address = { host: '127.0.0.1', port: listener.port }
    memory.note(address, 'encrypted')
    const connection = await dial(address, identity, { encryption: { policy: 'prefer', memory } })
    t.after(() => connection.close())
    assert.equal(connection.protection, 'plain')
    assert.deepEqual(memory.order(address, 'prefer'), ['plain', 'encrypted'])
  },
)

/** A server that treats each connection as told, and counts them. */
async function server(
  t: TestContext,
  serve: (socket: Socket, number: number) => void,
): Promise<{ address: { host: string; port: number }; connections: () => number }> {
  let connections = 0
  const sockets = new Set<Socket>()
  const listening = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket, ++connections)
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.after(() => {
    listening.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = listening.address() as AddressInfo
  return { address: { host: '127.0.0.1', port }, connections: () => connections }
}

const answers: [string, (socket: Socket) => void, code: string, connections: number][] = [
  ['has another torrent', socket => socket.write(handshakeOf(ourId, ourId)), 'ERR_TORRENTFS_PROTOCOL', 1],
  ['is ourselves', socket => socket.write(handshakeOf(theirId)), 'ERR_TORRENTFS_PROTOCOL', 1],
  [
    'closes in its handshake',
    socket => socket.end(handshakeOf(ourId).subarray(0, 50)),
    'ERR_TORRENTFS_CONNECTION',
    1,
  ],
  ['closes at once', socket => socket.end(), 'ERR_TORRENTFS_CONNECTION', 2],
  ['says nothing', () => {}, 'ERR_TORRENTFS_TIMEOUT', 2],
  [
    'speaks something else',
    socket => socket.write('HTTP/1.1 400 Bad Request\r\n'),
    'ERR_TORRENTFS_PROTOCOL',
    2,
  ],
]
for (const [what, serve, code, connections] of answers) {
  const times = connections === 1 ? 'once' : 'both ways'
  test(`with prefer, a peer that ${what} is called ${times} and given up with ${code}`, limit, async t => {
    const peer = await server(t, socket => {
      socket.resume()
      serve(socket)
    })
    const encryption = { policy: 'prefer' as const, memory: new GreetingMemory() }
    await assert.rejects(dial(peer.address, identity, { encryption, timeoutMs: 600 }), { code })
    assert.equal(peer.connections(), connections)
  })
}

test(
  'a peer that is silent to plain handshakes is reached with encryption within the same deadline',
  limit,
  async t => {
    const listener = await listen(t, 'require')
    const peer = await server(t, (socket, number) => {
      if (number === 1) return
      socket.pipe(connect({ host: '127.0.0.1', port: listener.port })).pipe(socket)
    })
    const encryption = { policy: 'prefer' as const, memory: new GreetingMemory() }
    const connection = await dial(peer.address, identity, { encryption, timeoutMs: 8000 })
    t.after(() => connection.close())
    assert.equal(connection.protection, 'rc4')
  },
)

test('an abort ends the attempt between its greetings', limit, async t => {
  const stop = new AbortController()
  const peer = await server(t, socket => {
    stop.abort()
    socket.end()
  })
  const encryption = { policy: 'prefer' as const, memory: new GreetingMemory() }
  await assert.rejects(dial(peer.address, identity, { encryption, signal: stop.signal }), {
    code: 'ERR_TORRENTFS_ABORTED',
  })
  assert.equal(peer.connections(), 1)
})

/** Calls a listener with encryption, by hand. */
async function callByHand(
  t: TestContext,
  port: number,
  o: {
    readonly torrent?: Uint8Array
    readonly first: Uint8Array
    readonly methods?: readonly ('plain' | 'rc4')[]
  },
): Promise<{ raw: RawPeer; stream: () => SecuredStream | undefined }> {
  const raw = await RawPeer.connect(t, port)
  let stream: SecuredStream | undefined
  const caller = new StreamCaller({
    keys: new KeyPair(randomBytes(20)),
    infohash: o.torrent ?? infohash,
    methods: o.methods ?? ['rc4'],
    pad: randomBytes(100),
    innerPad: 10,
    first: o.first,
    send: bytes => raw.send(bytes),
  })
  raw.socket.on('data', (bytes: Buffer) => {
    if (stream === undefined) stream = caller.feed(bytes, bytes.length)
  })
  caller.begin()
  return { raw, stream: () => stream }
}

test('messages that come with the encrypted handshake are kept', limit, async t => {
  for (const method of ['plain', 'rc4'] as const) {
    const listener = await listen(t, 'prefer')
    const first = Buffer.concat([handshakeOf(theirId), encode([{ type: 'haveAll' }, { type: 'unchoke' }])])
    await callByHand(t, listener.port, { first, methods: [method] })
    const connection = await listener.accepted()
    t.after(() => connection.close())
    assert.equal(connection.protection, method === 'plain' ? 'header' : 'rc4')
    const heard = new Listening()
    connection.setEvents(heard)
    await heard.until(() => heard.messages.length === 2)
    assert.deepEqual(heard.messages, [{ type: 'haveAll' }, { type: 'unchoke' }])
  }
})

test('a handshake of another torrent than the encryption named is refused', limit, async t => {
  const listener = await listen(t, 'prefer')
  const { raw } = await callByHand(t, listener.port, { torrent: otherTorrent, first: handshakeOf(theirId) })
  await raw.closed()
  assert.match(listener.dropped[0]?.message ?? '', /another torrent than its encryption/)
})

test('a torrent that has gone is not to be had with encryption', limit, async t => {
  const keys = torrents()
  const listener = await TestListener.open(t, { encryption: { policy: 'prefer', torrents: keys } })
  keys.remove(infohash)
  const { raw } = await callByHand(t, listener.port, { first: handshakeOf(theirId) })
  await raw.closed()
  assert.match(listener.dropped[0]?.message ?? '', /torrent we do not have/)
})

test(
  'where encryption is required, a plain handshake is turned away at once and unanswered',
  limit,
  async t => {
    const listener = await listen(t, 'require')
    const raw = await RawPeer.connect(t, listener.port)
    raw.send(handshakeOf(theirId).subarray(0, 20))
    await raw.closed()
    assert.equal(raw.received.length, 0)
    assert.match(listener.dropped[0]?.message ?? '', /encryption is required/)
  },
)

test('who offers only plain streams is turned away where encryption is required', limit, async t => {
  const listener = await listen(t, 'require')
  const { raw } = await callByHand(t, listener.port, { first: handshakeOf(theirId), methods: ['plain'] })
  await raw.closed()
  assert.match(listener.dropped[0]?.message ?? '', /no method/)
})

test('a flood of strangers is dropped within limits, and an honest peer still gets in', limit, async t => {
  const listener = await TestListener.open(t, {
    maxHandshakes: 20,
    encryption: { policy: 'prefer', torrents: torrents() },
  })
  for (let i = 0; i < 100; i++) {
    const raw = await RawPeer.connect(t, listener.port)
    raw.send(randomBytes(200))
    assert.ok(listener.listener.handshakes <= 20)
  }
  const encryption = { policy: 'require' as const, memory: new GreetingMemory() }
  const connection = await dial({ host: '127.0.0.1', port: listener.port }, identity, { encryption })
  assert.equal(connection.protection, 'rc4')
  connection.close()
})

test('an encrypted handshake must be finished in time, however its bytes drip', limit, async t => {
  const listener = await TestListener.open(t, {
    handshakeTimeoutMs: 300,
    encryption: { policy: 'prefer', torrents: torrents() },
  })
  const dripping = await RawPeer.connect(t, listener.port)
  const bytes = randomBytes(600)
  let sent = 0
  const timer = setInterval(() => dripping.send(bytes.subarray(sent, ++sent)), 5)
  t.after(() => clearInterval(timer))
  const stuck = await RawPeer.connect(t, listener.port)
  stuck.send(randomBytes(300))
  await Promise.all([dripping.closed(), stuck.closed()])
  assert.deepEqual(
    listener.dropped.map(error => error.code),
    ['ERR_TORRENTFS_TIMEOUT', 'ERR_TORRENTFS_TIMEOUT'],
  )
  assert.equal(listener.listener.handshakes, 0)
})

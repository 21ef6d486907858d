import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { dial } from '../../../src/torrent/peer/dialer.js'
import { PeerListener } from '../../../src/torrent/peer/listener.js'
import { HANDSHAKE_LENGTH } from '../../../src/torrent/wire/handshake.js'
import { handshakeOf, infohash, Listening, ourId, RawPeer, TestListener, theirId } from './loopback.js'

const limit = { timeout: 20_000 }
const identity = { infohash, peerId: theirId }

test('the infohash decides who we are, and is told with the connection', limit, async t => {
  const told: string[] = []
  const accepted: string[] = []
  const listener = await TestListener.open(t, {
    resolve: hash => {
      told.push(hash)
      return hash === '1f'.repeat(20) ? { infohash, peerId: ourId } : undefined
    },
    accept: (connection, hash) => {
      accepted.push(hash)
      connection.close()
    },
  })
  const connection = await dial({ host: '127.0.0.1', port: listener.port }, identity)
  connection.close()
  const other = { infohash: ourId, peerId: theirId }
  await assert.rejects(dial({ host: '127.0.0.1', port: listener.port }, other), {
    code: 'ERR_TORRENTFS_CONNECTION',
  })
  assert.deepEqual(told, ['1f'.repeat(20), '6f'.repeat(20)])
  assert.deepEqual(accepted, ['1f'.repeat(20)])
  assert.deepEqual(
    listener.dropped.map(error => error.code),
    ['ERR_TORRENTFS_PROTOCOL'],
  )
})

test('a stranger gets nothing from us before it has named a torrent of ours', limit, async t => {
  const listener = await TestListener.open(t, { resolve: () => undefined })
  const raw = await RawPeer.connect(t, listener.port)
  raw.send(handshakeOf(theirId))
  await raw.closed()
  assert.equal(raw.received.length, 0)
})

test('we answer as soon as the infohash is there, and wait for the peer id', limit, async t => {
  const listener = await TestListener.open(t)
  const raw = await RawPeer.connect(t, listener.port)
  raw.send(handshakeOf(theirId).subarray(0, 48))
  await raw.until(() => raw.received.length === HANDSHAKE_LENGTH)
  assert.deepEqual(new Uint8Array(raw.received.subarray(48)), ourId)
  assert.equal(listener.listener.handshakes, 1)
  raw.send(handshakeOf(theirId).subarray(48))
  const connection = await listener.accepted()
  assert.deepEqual(connection.peerId, theirId)
  assert.equal(listener.listener.handshakes, 0)
  connection.close()
})

test('who does not speak BitTorrent is refused at the first byte', limit, async t => {
  const listener = await TestListener.open(t)
  const raw = await RawPeer.connect(t, listener.port)
  raw.send(Buffer.from('G'))
  await raw.closed()
  assert.equal(listener.dropped[0]?.code, 'ERR_TORRENTFS_PROTOCOL')
})

test('a connection from ourselves is refused', limit, async t => {
  const listener = await TestListener.open(t)
  const raw = await RawPeer.connect(t, listener.port)
  raw.send(handshakeOf(ourId))
  await raw.closed()
  assert.equal(listener.dropped[0]?.code, 'ERR_TORRENTFS_PROTOCOL')
})

test('a handshake that is not finished in time is dropped, however its bytes drip', limit, async t => {
  const listener = await TestListener.open(t, { handshakeTimeoutMs: 900 })
  const silent = await RawPeer.connect(t, listener.port)
  const dripping = await RawPeer.connect(t, listener.port)
  let sent = 0
  const timer = setInterval(() => dripping.send(handshakeOf(theirId).subarray(sent, ++sent)), 20)
  t.after(() => clearInterval(timer))
  await Promise.all([silent.closed(), dripping.closed()])
  assert.deepEqual(
    listener.dropped.map(error => error.code),
    ['ERR_TORRENTFS_TIMEOUT', 'ERR_TORRENTFS_TIMEOUT'],
  )
  assert.equal(listener.listener.handshakes, 0)
})

test('of too many unfinished handshakes the oldest go, and an honest peer still gets in', limit, async t => {
  const listener = await TestListener.open(t, { maxHandshakes: 5 })
  const strangers: RawPeer[] = []
  for (let i = 0; i < 20; i++) {
    strangers.push(await RawPeer.connect(t, listener.port))
    assert.ok(listener.listener.handshakes <= 5)
  }
  const connection = await dial({ host: '127.0.0.1', port: listener.port }, identity)
  connection.close()
  await Promise.all(strangers.slice(0, 15).map(stranger => stranger.closed()))
  assert.equal(listener.listener.handshakes, 4)
  assert.equal(strangers[19]?.socket.readableEnded, false)
})

test('finished connections do not count as unfinished handshakes', limit, async t => {
  const listener = await TestListener.open(t, { maxHandshakes: 2 })
  const connections = []
  for (let i = 0; i < 6; i++) {
    connections.push(
      await dial({ host: '127.0.0.1', port: listener.port }, identity),
      await listener.accepted(),
    )
  }
  assert.ok(connections.every(connection => !connection.closed))
  for (const connection of connections) connection.close()
})

test('an address can be refused before it says anything', limit, async t => {
  const hosts: string[] = []
  const listener = await TestListener.open(t, { refuse: address => hosts.push(address.host) > 0 })
  const raw = await RawPeer.connect(t, listener.port)
  await raw.closed()
  assert.deepEqual(hosts, ['127.0.0.1'])
})

test('listening on all addresses takes IPv6 and IPv4, the latter in its own spelling', limit, async t => {
  const listener = await TestListener.open(t, {}, '')
  for (const [host, family] of [
    ['127.0.0.1', 4],
    ['::1', 6],
  ] as const) {
    const connection = await dial({ host, port: listener.port }, identity)
    const { address } = await listener.accepted()
    assert.deepEqual([address.host, address.family], [host, family])
    connection.close()
  }
})

test('a port that is taken is a listening error that names it', limit, async t => {
  const listener = await TestListener.open(t)
  const second = new PeerListener({ resolve: () => undefined, accept() {} })
  await assert.rejects(second.listen('127.0.0.1', listener.port), {
    code: 'ERR_TORRENTFS_LISTEN',
    message: new RegExp(`127\\.0\\.0\\.1:${listener.port}`),
  })
  assert.equal(second.port, 0)
  await second.listen('127.0.0.1', 0)
  assert.ok(second.port > 0)
  await second.close()
})

test('closing drops unfinished handshakes and leaves connections alone', limit, async t => {
  const listener = await TestListener.open(t)
  const stranger = await RawPeer.connect(t, listener.port)
  const outgoing = await dial({ host: '127.0.0.1', port: listener.port }, identity)
  const incoming = await listener.accepted()
  const { port } = listener
  while (listener.listener.handshakes === 0) await sleep(5)
  await listener.listener.close()
  await listener.listener.close()
  assert.equal(listener.port, 0)
  await stranger.closed()
  await assert.rejects(dial({ host: '127.0.0.1', port }, identity), { code: 'ERR_TORRENTFS_CONNECTION' })
  const heard = new Listening()
  incoming.setEvents(heard)
  outgoing.unchoke()
  await heard.until(() => heard.messages.length === 1)
  outgoing.close()
  assert.equal(await heard.closed(), undefined)
})

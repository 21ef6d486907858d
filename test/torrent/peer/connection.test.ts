import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import fc from 'fast-check'

import { TorrentError } from '../../../src/torrent/errors.js'
import { PeerConnection, SEND_LOW_WATER } from '../../../src/torrent/peer/connection.js'
import type { Transport } from '../../../src/torrent/peer/transport.js'
import { MAX_BLOCK_PAYLOAD } from '../../../src/torrent/wire/messages.js'
import { anyItem, encode } from '../wire/items.js'
import { connectionPair, infohash, Listening, rawPair, theirId } from './loopback.js'

const BLOCK = 16384
const limit = { timeout: 20_000 }

for (const host of ['127.0.0.1', '::1']) {
  test(`messages go both ways over ${host}, in order`, limit, async t => {
    const { outgoing, incoming } = await connectionPair(t, {}, host)
    assert.deepEqual([outgoing.incoming, incoming.incoming], [false, true])
    assert.deepEqual([outgoing.address.host, incoming.address.host], [host, host])
    assert.equal(outgoing.address.family, host === '::1' ? 6 : 4)
    const heard = { outgoing: new Listening(), incoming: new Listening() }
    outgoing.setEvents(heard.outgoing)
    incoming.setEvents(heard.incoming)
    outgoing.interested()
    outgoing.request(1, 2, 3)
    incoming.bitfield(Uint8Array.of(0x80))
    incoming.unchoke()
    await heard.outgoing.until(() => heard.outgoing.messages.length === 2)
    await heard.incoming.until(() => heard.incoming.messages.length === 2)
    assert.deepEqual(heard.incoming.messages, [
      { type: 'interested' },
      { type: 'request', piece: 1, begin: 2, length: 3 },
    ])
    assert.deepEqual(heard.outgoing.messages, [
      { type: 'bitfield', bytes: Uint8Array.of(0x80) },
      { type: 'unchoke' },
    ])
    assert.equal(outgoing.bytesSent, incoming.bytesReceived)
    assert.equal(incoming.bytesSent, outgoing.bytesReceived)
  })
}

test(
  'what comes before the events are set is delivered afterwards, never from within setEvents',
  limit,
  async t => {
    const { outgoing, incoming } = await connectionPair(t)
    // More than the kernel and both buffers hold, so that it takes several reads.
    const pieces = 200_000
    for (const connection of [outgoing, incoming]) for (let i = 0; i < pieces; i++) connection.have(i)
    await sleep(50)
    for (const connection of [outgoing, incoming]) {
      const heard = new Listening()
      connection.setEvents(heard)
      assert.deepEqual(heard.told, [])
      await heard.until(() => heard.messages.length === pieces)
      assert.ok(heard.messages.every((message, i) => message.type === 'have' && message.piece === i))
    }
  },
)

test('messages that come in one packet with the handshake are delivered', limit, async t => {
  const { connection, raw } = await rawPair(t)
  raw.send(encode([{ type: 'interested' }, { type: 'have', piece: 3 }]))
  const heard = new Listening()
  connection.setEvents(heard)
  await heard.until(() => heard.messages.length === 2)
})

test('the turn comes once after all messages of one packet', limit, async t => {
  const { connection, raw } = await rawPair(t)
  const heard = new Listening()
  connection.setEvents(heard)
  raw.send(encode([{ type: 'unchoke' }, { type: 'have', piece: 1 }, { type: 'have', piece: 2 }]))
  await heard.until(() => heard.messages.length === 3)
  assert.deepEqual(
    heard.told.map(told => told.event),
    ['message', 'message', 'message', 'turn'],
  )
})

test('what is written in events and turn goes out in one packet after the turn', limit, async t => {
  const { connection, raw } = await rawPair(t)
  const packets: number[] = []
  raw.socket.on('data', bytes => packets.push(bytes.length))
  const backlogs: number[] = []
  const heard = new Listening({
    message: () => connection.interested(),
    turn: () => {
      for (let i = 0; i < 100; i++) connection.request(0, i * BLOCK, BLOCK)
      backlogs.push(connection.sendBacklog)
    },
  })
  connection.setEvents(heard)
  raw.send(encode([{ type: 'unchoke' }]))
  await raw.until(() => raw.received.length >= 1705)
  assert.deepEqual(backlogs, [1705])
  assert.deepEqual(packets, [1705])
})

test(
  'what is written outside of a turn goes out at the end of the callback, or at once by flush',
  limit,
  async t => {
    const { connection, raw } = await rawPair(t)
    connection.setEvents(new Listening())
    const packets: number[] = []
    raw.socket.on('data', bytes => packets.push(bytes.length))
    for (let i = 0; i < 10; i++) connection.have(i)
    assert.equal(connection.sendBacklog, 90)
    await raw.until(() => raw.received.length === 90)
    connection.choke()
    connection.flush()
    assert.equal(connection.sendBacklog, 0)
    await raw.until(() => raw.received.length === 95)
    assert.deepEqual(packets, [90, 5])
  },
)

test('any messages arrive as they were sent, whenever they are flushed', limit, async t => {
  const { outgoing, incoming } = await connectionPair(t)
  let target = new Uint8Array(0)
  let got: unknown[] = []
  const heard = new Listening({
    message: message => got.push(message),
    blockTarget: (_piece, _begin, length) => (target = new Uint8Array(length)),
    block: (piece, begin) => got.push({ type: 'block', piece, begin, bytes: target }),
  })
  outgoing.setEvents(new Listening())
  incoming.setEvents(heard)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyItem, fc.boolean()), { maxLength: 30 }), async items => {
      got = []
      for (const [item, flush] of items) {
        if (item.type === 'block') outgoing.block(item.piece, item.begin, item.bytes)
        else if (item.type === 'bitfield') outgoing.bitfield(item.bytes)
        else if (item.type === 'extended') outgoing.extended(item.id, item.payload)
        else if (item.type === 'request') outgoing.request(item.piece, item.begin, item.length)
        else if (item.type === 'cancel') outgoing.cancel(item.piece, item.begin, item.length)
        else if (item.type === 'reject') outgoing.reject(item.piece, item.begin, item.length)
        else if (item.type === 'have' || item.type === 'allowedFast') outgoing[item.type](item.piece)
        else if (item.type === 'suggest' || item.type === 'port' || item.type === 'discarded') continue
        else outgoing[item.type]()
        if (flush) outgoing.flush()
      }
      const expected = items
        .map(([item]) => item)
        .filter(item => item.type !== 'suggest' && item.type !== 'port')
      await heard.until(() => got.length >= expected.length)
      assert.deepEqual(got, expected)
    }),
    { numRuns: 60 },
  )
})

/** Sends `count` blocks, each of one random slab, as fast as the backlog allows. Returns the hash of what is sent. */
function sendBlocks(connection: PeerConnection, heard: Listening, count: number): string {
  const slab = new Uint8Array(new SharedArrayBuffer(64 * BLOCK))
  slab.set(randomBytes(slab.length))
  const hash = createHash('sha1')
  for (let i = 0; i < count; i++) hash.update(slab.subarray((i % 64) * BLOCK, ((i % 64) + 1) * BLOCK))
  let next = 0
  const send = (): void => {
    while (next < count && connection.sendBacklog < 4 * SEND_LOW_WATER) {
      connection.block(
        next >>> 6,
        (next & 63) * BLOCK,
        slab.subarray((next % 64) * BLOCK, ((next % 64) + 1) * BLOCK),
      )
      next++
      if (next % 7 === 0) connection.have(next)
    }
    connection.flush()
  }
  heard.drain = send
  send()
  return hash.digest('hex')
}

function hashBlocks(connection: PeerConnection, count: number): Promise<string> {
  const hash = createHash('sha1')
  const target = new Uint8Array(new SharedArrayBuffer(BLOCK))
  let blocks = 0
  return new Promise((resolve, reject) => {
    connection.setEvents(
      new Listening({
        blockTarget: () => target,
        block: () => {
          hash.update(target)
          if (++blocks === count) resolve(hash.digest('hex'))
        },
        close: error => reject(error ?? new Error('closed')),
      }),
    )
  })
}

test(
  'blocks arrive whole over many connections that share one receive buffer, and over incoming ones',
  limit,
  async t => {
    const count = 512
    const sent: string[] = []
    const received: Promise<string>[] = []
    for (let i = 0; i < 6; i++) {
      const { outgoing, incoming } = await connectionPair(t)
      const [from, to] = i < 4 ? [incoming, outgoing] : [outgoing, incoming]
      received.push(hashBlocks(to, count))
      const heard = new Listening()
      from.setEvents(heard)
      sent.push(sendBlocks(from, heard, count))
      assert.equal(from.payloadSent <= count * BLOCK, true)
    }
    assert.deepEqual(await Promise.all(received), sent)
  },
)

test('payload is counted apart from what carries it', limit, async t => {
  const { outgoing, incoming } = await connectionPair(t)
  const heard = new Listening()
  incoming.setEvents(heard)
  outgoing.setEvents(new Listening())
  outgoing.block(0, 0, new Uint8Array(BLOCK))
  await heard.until(() => heard.told.some(told => told.event === 'block'))
  assert.deepEqual([incoming.payloadReceived, incoming.bytesReceived], [BLOCK, BLOCK + 13])
  assert.deepEqual([outgoing.payloadSent, outgoing.bytesSent], [BLOCK, BLOCK + 13])
})

test('dropTarget discards the rest of a block that is coming in', limit, async t => {
  const { connection, raw } = await rawPair(t)
  const target = new Uint8Array(BLOCK)
  const heard = new Listening({ blockTarget: () => target })
  connection.setEvents(heard)
  const bytes = encode([{ type: 'block', piece: 0, begin: 0, bytes: new Uint8Array(BLOCK).fill(5) }])
  raw.send(bytes.subarray(0, 1013))
  await heard.until(() => target[999] === 5)
  connection.dropTarget()
  raw.send(bytes.subarray(1013), encode([{ type: 'choke' }]))
  await heard.until(() => heard.messages.length === 1)
  assert.deepEqual(
    heard.told.filter(told => told.event === 'block'),
    [{ event: 'block', piece: 0, begin: 0, kept: false }],
  )
  assert.equal(target[1000], 0)
})

for (const [what, bytes] of [
  ['an oversized message', Buffer.from('7fffffff', 'hex')],
  ['an oversized block', Buffer.from((MAX_BLOCK_PAYLOAD + 10).toString(16).padStart(8, '0') + '07', 'hex')],
  ['an unknown message', Buffer.from('00000001ff', 'hex')],
  ['a second handshake', Buffer.from('\x13BitTorrent protocol', 'latin1')],
] as const) {
  test(
    `${what} closes the connection with a protocol error, once, after what came before it`,
    limit,
    async t => {
      const { connection, raw } = await rawPair(t)
      const heard = new Listening()
      connection.setEvents(heard)
      raw.send(Buffer.concat([encode([{ type: 'unchoke' }]), bytes, encode([{ type: 'choke' }])]))
      const error = await heard.closed()
      assert.equal(error?.code, 'ERR_TORRENTFS_PROTOCOL')
      assert.match(error?.message ?? '', /^127\.0\.0\.1:\d+: /)
      assert.deepEqual(heard.messages, [{ type: 'unchoke' }])
      await raw.closed()
      assert.equal(heard.closes.length, 1)
    },
  )
}

test('a bitfield longer than the cap that was set is refused', limit, async t => {
  for (const before of [true, false]) {
    const { connection, raw } = await rawPair(t)
    const heard = new Listening()
    if (before) connection.setBitfieldCap(2)
    connection.setEvents(heard)
    if (!before) connection.setBitfieldCap(2)
    raw.send(encode([{ type: 'bitfield', bytes: new Uint8Array(3) }]))
    assert.equal((await heard.closed())?.code, 'ERR_TORRENTFS_PROTOCOL')
  }
})

test(
  'a reset in the middle of a payload closes the connection, and the block is never told',
  limit,
  async t => {
    const { connection, raw } = await rawPair(t)
    const target = new Uint8Array(BLOCK)
    const heard = new Listening({ blockTarget: () => target })
    connection.setEvents(heard)
    raw.send(
      encode([{ type: 'block', piece: 0, begin: 0, bytes: new Uint8Array(BLOCK).fill(5) }]).subarray(0, 5000),
    )
    await heard.until(() => target[4000] === 5)
    raw.socket.resetAndDestroy()
    const error = await heard.closed()
    assert.equal(error?.code, 'ERR_TORRENTFS_CONNECTION')
    assert.equal((error?.cause as NodeJS.ErrnoException).code, 'ECONNRESET')
    assert.equal(connection.closed, true)
    assert.ok(!heard.told.some(told => told.event === 'block'))
  },
)

test('a peer that ends its half is closed without an error, after its last messages', limit, async t => {
  const { connection, raw } = await rawPair(t)
  const heard = new Listening()
  connection.setEvents(heard)
  raw.send(encode([{ type: 'have', piece: 1 }]))
  raw.socket.end()
  assert.equal(await heard.closed(), undefined)
  assert.deepEqual(heard.messages, [{ type: 'have', piece: 1 }])
  await raw.closed()
})

test('an end or a reset is noticed on outgoing connections, too', limit, async t => {
  const first = await connectionPair(t)
  const heard = new Listening()
  first.outgoing.setEvents(heard)
  first.incoming.have(1)
  first.incoming.flush()
  first.incoming.close()
  await heard.closed()
  assert.deepEqual(heard.closes.length, 1)
  assert.deepEqual(heard.messages, [{ type: 'have', piece: 1 }])
})

test('what happened before the events are set is told: messages, then the close', limit, async t => {
  const { connection, raw } = await rawPair(t)
  raw.send(encode([{ type: 'have', piece: 1 }]))
  raw.socket.end()
  await sleep(30)
  const heard = new Listening()
  connection.setEvents(heard)
  await heard.closed()
  assert.deepEqual(
    heard.told.map(told => told.event),
    ['message', 'turn', 'close'],
  )
})

test('a close of ours is told later and once, also when it comes before the events', limit, async t => {
  const { outgoing, incoming } = await connectionPair(t)
  const reason = new TorrentError('ERR_TORRENTFS_REMOVED', 'removed')
  const heard = new Listening()
  incoming.setEvents(heard)
  incoming.close(reason)
  incoming.close()
  assert.deepEqual(heard.told, [])
  assert.equal(await heard.closed(), reason)
  outgoing.close(reason)
  await sleep(20)
  const late = new Listening()
  outgoing.setEvents(late)
  assert.equal(await late.closed(), reason)
  await sleep(20)
  assert.deepEqual([heard.closes.length, late.closes.length], [1, 1])
})

test(
  'after a close from within an event nothing but the close is told, and writers do nothing',
  limit,
  async t => {
    const { connection, raw } = await rawPair(t)
    const heard = new Listening({ message: () => connection.close() })
    connection.setEvents(heard)
    raw.send(encode([{ type: 'unchoke' }, { type: 'choke' }, { type: 'have', piece: 1 }]))
    await heard.closed()
    connection.have(1)
    connection.block(0, 0, new Uint8Array(10))
    connection.flush()
    connection.resume()
    assert.equal(connection.sendBacklog, 0)
    await raw.closed()
    assert.equal(raw.received.length, 0)
    assert.deepEqual(
      heard.told.map(told => told.event),
      ['message', 'close'],
    )
  },
)

test('pause slows the peer down, and resume brings everything', limit, async t => {
  for (const direction of ['outgoing', 'incoming'] as const) {
    const pair = await connectionPair(t)
    const reader = pair[direction]
    const writer = direction === 'outgoing' ? pair.incoming : pair.outgoing
    const total = 64 * 1024 * 1024
    const target = new Uint8Array(MAX_BLOCK_PAYLOAD)
    let paused = false
    let received = 0
    const heard = new Listening({
      blockTarget: () => target,
      block: (_piece, _begin, length) => {
        received += length
        if (paused || received < 1024 * 1024) return
        paused = true
        reader.pause()
      },
    })
    reader.setEvents(heard)
    writer.setEvents(new Listening())
    const payload = new Uint8Array(MAX_BLOCK_PAYLOAD)
    for (let sent = 0; sent < total; sent += payload.length) writer.block(0, 0, payload)
    await heard.until(() => paused)
    await sleep(100)
    const held = received
    assert.ok(held < 2 * 1024 * 1024, `${held} bytes came after the pause`)
    await sleep(100)
    assert.equal(received, held)
    assert.ok(writer.sendBacklog > total / 4, `${writer.sendBacklog} bytes wait`)
    reader.resume()
    await heard.until(() => received === total)
    assert.deepEqual(heard.closes, [])
  }
})

test('a connection paused before its events are set begins paused', limit, async t => {
  const { connection, raw } = await rawPair(t)
  const heard = new Listening()
  connection.pause()
  connection.setEvents(heard)
  raw.send(encode([{ type: 'choke' }]))
  await sleep(50)
  assert.deepEqual(heard.told, [])
  connection.resume()
  await heard.until(() => heard.messages.length === 1)
})

test('a slow reader shows in the backlog, and drain is told once when it has read', limit, async t => {
  const { connection, raw } = await rawPair(t)
  const heard = new Listening()
  connection.setEvents(heard)
  raw.socket.pause()
  const payload = new Uint8Array(BLOCK)
  const total = 48 * 1024 * 1024
  for (let sent = 0; sent < total; sent += BLOCK) connection.block(0, 0, payload)
  connection.flush()
  await sleep(100)
  assert.ok(connection.sendBacklog > 8 * 1024 * 1024, `${connection.sendBacklog} bytes wait`)
  assert.ok(!heard.told.some(told => told.event === 'drain'))
  let read = 0
  raw.socket.removeAllListeners('data')
  raw.socket.on('data', bytes => (read += bytes.length))
  raw.socket.resume()
  await heard.until(() => heard.told.some(told => told.event === 'drain'))
  assert.ok(connection.sendBacklog <= SEND_LOW_WATER)
  while (read < total + (total / BLOCK) * 13) await sleep(5)
  assert.equal(heard.told.filter(told => told.event === 'drain').length, 1)
})

test('drain is told even when the kernel takes a large backlog at once', limit, async t => {
  const { connection } = await rawPair(t)
  const heard = new Listening()
  connection.setEvents(heard)
  for (let sent = 0; sent <= SEND_LOW_WATER; sent += BLOCK) connection.block(0, 0, new Uint8Array(BLOCK))
  assert.ok(connection.sendBacklog > SEND_LOW_WATER)
  await heard.until(() => heard.told.some(told => told.event === 'drain'))
})

test('a small backlog causes no drain', limit, async t => {
  const { connection, raw } = await rawPair(t)
  const heard = new Listening()
  connection.setEvents(heard)
  connection.block(0, 0, new Uint8Array(BLOCK))
  await raw.until(() => raw.received.length === BLOCK + 13)
  await sleep(20)
  assert.deepEqual(heard.told, [])
})

test('a silent peer is given up', limit, async t => {
  const { connection, raw } = await rawPair(t, { idleTimeoutMs: 80 })
  const heard = new Listening()
  const begin = performance.now()
  connection.setEvents(heard)
  assert.equal((await heard.closed())?.code, 'ERR_TORRENTFS_TIMEOUT')
  assert.ok(performance.now() - begin >= 79)
  await raw.closed()
})

test('any byte keeps a peer, and keep-alives keep two of ours', limit, async t => {
  const { connection, raw } = await rawPair(t, { idleTimeoutMs: 150 })
  const heard = new Listening()
  connection.setEvents(heard)
  const pair = await connectionPair(t, { idleTimeoutMs: 150, keepAliveMs: 50 })
  const both = [new Listening(), new Listening()] as const
  pair.outgoing.setEvents(both[0])
  pair.incoming.setEvents(both[1])
  for (const byte of new Uint8Array(16)) {
    raw.send(Uint8Array.of(byte))
    await sleep(30)
  }
  assert.deepEqual(heard.closes, [])
  assert.deepEqual(both[0].closes, [])
  assert.deepEqual(both[1].closes, [])
  assert.ok(pair.outgoing.bytesReceived >= 4)
})

test('keep-alives go out only when nothing else does', limit, async t => {
  const { connection, raw } = await rawPair(t, { keepAliveMs: 100 })
  connection.setEvents(new Listening())
  for (let i = 0; i < 10; i++) {
    connection.choke()
    await sleep(30)
  }
  assert.equal(raw.received.length, 50)
  await raw.until(() => raw.received.length === 54)
})

test('a connection we have paused is not taken for silent', limit, async t => {
  const { connection, raw } = await rawPair(t, { idleTimeoutMs: 60 })
  const heard = new Listening()
  connection.setEvents(heard)
  connection.pause()
  raw.send(encode([{ type: 'choke' }]))
  await sleep(200)
  assert.deepEqual(heard.told, [])
  connection.resume()
  await heard.until(() => heard.messages.length === 1)
})

for (const [kind, sends] of [
  ['utp', true],
  ['tcp', false],
] as const) {
  test(`over ${kind} a keep-alive follows the handshakes ${sends ? 'soon' : 'late'}`, limit, async t => {
    const sent: Uint8Array[] = []
    const transport: Transport = {
      kind,
      address: { host: '127.0.0.1', port: 1, family: 4 },
      incoming: true,
      backlog: 0,
      setReceiver() {},
      send: parts => void sent.push(...parts.map(part => part.slice())),
      pause() {},
      resume() {},
      destroy() {},
    }
    const handshake = { infohash, peerId: theirId, fast: true, extensions: true, dht: false }
    const connection = new PeerConnection(transport, handshake, new Uint8Array(0))
    connection.setEvents(new Listening())
    t.after(() => connection.close())
    const begin = performance.now()
    while (sent.length === 0 && performance.now() - begin < 2500) await sleep(20)
    assert.deepEqual(
      sent.map(part => [...part]),
      sends ? [[0, 0, 0, 0]] : [],
    )
  })
}

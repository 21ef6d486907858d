import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { UTP_WINDOW_BYTES, type UtpStream } from '../../../../src/torrent/peer/utp/utp-stream.js'
import { encodeUtp, UTP_DATA, UTP_RESET, UTP_STATE } from '../../../../src/torrent/wire/utp-packet.js'
import { randomFrom, VirtualWay, type WayOptions } from './virtual-way.js'

const SECOND = 1000
const MINUTE = 60 * SECOND

function contentOf(length: number, seed: number): Uint8Array {
  const random = randomFrom(seed)
  return Uint8Array.from({ length }, () => Math.floor(random() * 256))
}

/** Reads all that can be read. */
class Reading {
  readonly parts: Buffer[] = []
  length = 0

  from(stream: UtpStream | undefined): void {
    const buffer = Buffer.alloc(5000)
    for (;;) {
      const count = stream?.read(buffer) ?? 0
      if (count === 0) return
      this.parts.push(Buffer.from(buffer.subarray(0, count)))
      this.length += count
    }
  }

  get bytes(): Buffer {
    return Buffer.concat(this.parts)
  }
}

/** Connects, sends content from both sides at once in parts, reads it, and compares. */
function exchange(options: WayOptions, lengths: readonly [number, number], limitMs: number): VirtualWay {
  const way = new VirtualWay(options)
  const seed = options.seed ?? 1
  const contents = [contentOf(lengths[0], seed), contentOf(lengths[1], seed + 1)]
  const readings = [new Reading(), new Reading()]
  const random = randomFrom(seed + 2)
  const written = [0, 0]
  const done = way.run(
    () => readings[1]!.length === lengths[0] && readings[0]!.length === lengths[1],
    limitMs,
    () => {
      way.streams.forEach((stream, side) => {
        const content = contents[side]!
        // The one that was called answers once it has heard something.
        if (stream.state === 'open' && written[side]! < content.length && stream.queued < 100_000) {
          const end = written[side]! + 1 + Math.floor(random() * 20_000)
          stream.write([content.subarray(written[side], end), new Uint8Array(0)])
          written[side] = Math.min(end, content.length)
        }
        readings[side]!.from(stream)
      })
    },
  )
  const where = JSON.stringify({ options, at: way.now, read: readings.map(reading => reading.length) })
  assert.ok(done, `not everything came: ${where} ${way.streams.map(stream => stream.failure).join()}`)
  assert.ok(readings[1]!.bytes.equals(contents[0]!), where)
  assert.ok(readings[0]!.bytes.equals(contents[1]!), where)
  return way
}

for (const [what, options] of [
  ['a good way', {}],
  ['a way of 300 ms', { delayMs: 150 }],
  ['a way that loses a twentieth', { loss: 0.05 }],
  ['a way on which packets overtake one another', { jitterMs: 30 }],
  ['a way that doubles packets', { doubling: 0.3 }],
  ['a slow way with a short queue', { bytesPerSecond: 500_000, queueMs: 50 }],
  ['a way to a clock that is 40 minutes ahead', { clockMs: 40 * MINUTE, loss: 0.01 }],
] as const) {
  test(`both sides' bytes come over ${what}, and nothing is kept`, () => {
    const way = exchange(options, [400_000, 150_000], 5 * MINUTE)
    assert.deepEqual(
      way.rooms.map(room => room.used),
      [0, 0],
    )
  })
}

test('whatever a way does to packets, the bytes come in order, once, and all of them', () => {
  const ways = fc.record({
    loss: fc.double({ min: 0, max: 0.15, noNaN: true }),
    doubling: fc.double({ min: 0, max: 0.3, noNaN: true }),
    delayMs: fc.integer({ min: 0, max: 200 }),
    jitterMs: fc.integer({ min: 0, max: 100 }),
    clockMs: fc.integer({ min: 0, max: 2 ** 32 }),
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
  })
  fc.assert(
    fc.property(ways, fc.integer({ min: 1, max: 80_000 }), fc.nat(80_000), (options, there, back) => {
      exchange(options, [there, back], 10 * MINUTE)
    }),
    { numRuns: 150 },
  )
})

test('a lost packet is sent again without waiting for a timeout', () => {
  const way = exchange({ loss: 0.004, delayMs: 20, seed: 7 }, [2_000_000, 0], MINUTE)
  assert.ok(way.lost > 5, `${way.lost} lost`)
  // Each timeout would cost half a second at least.
  assert.ok(way.now - 1000 < 4 * SECOND, `${way.now - 1000} ms`)
})

test('few packets are sent more than once', () => {
  const way = exchange({ jitterMs: 1, delayMs: 20, loss: 0.01 }, [3_000_000, 0], MINUTE)
  const needed = Math.ceil(3_000_000 / 1372)
  assert.ok(way.sent[0] < needed * 1.05, `${way.sent[0]} of ${needed}`)
})

test('a way of 10 Mbit/s is filled, and the queue before it stays at about 100 ms', () => {
  const bytesPerSecond = 1_250_000
  const way = new VirtualWay({ bytesPerSecond, delayMs: 20, queueMs: 2000 })
  const part = new Uint8Array(100_000)
  const drain = new Uint8Array(UTP_WINDOW_BYTES)
  let read = 0
  let late = 0
  let looks = 0
  way.run(
    () => read > 30_000_000,
    MINUTE,
    () => {
      if (way.caller.queued === 0) way.caller.write([part])
      read += way.answerer?.read(drain) ?? 0
      if (way.now < 10 * SECOND) return
      looks++
      if (way.caller.figures.delay > 150_000) late++
    },
  )
  const seconds = (way.now - 1000) / SECOND
  assert.ok(read / seconds > 0.85 * bytesPerSecond, `${read / seconds} bytes/s`)
  assert.ok(late < looks / 50, `${late} of ${looks}`)
})

test('a receiver that does not read closes its window, keeps no more than that, and opens it when it reads', () => {
  const way = new VirtualWay({ delayMs: 5 })
  const part = new Uint8Array(100_000)
  let written = 0
  const write = (): void => {
    if (way.caller.state !== 'open' || way.caller.queued > 0 || written >= 6_000_000) return
    way.caller.write([part])
    written += part.length
  }
  assert.equal(
    way.run(() => false, 30 * SECOND, write),
    false,
  )
  const kept = way.answerer!.readable
  assert.ok(kept <= UTP_WINDOW_BYTES && kept > UTP_WINDOW_BYTES - 3000, `${kept}`)
  assert.equal(way.rooms[1].used, kept)
  assert.equal(way.caller.state, 'open')
  // A long pause, with nothing but asking whether there is room.
  const before = way.sent[0]
  way.run(() => false, 2 * MINUTE, write)
  assert.ok(way.sent[0] - before < 80, `${way.sent[0] - before} packets`)
  assert.equal(way.caller.state, 'open')
  const reading = new Reading()
  const all = way.run(
    () => reading.length === 6_000_000,
    20 * SECOND,
    () => {
      write()
      reading.from(way.answerer)
    },
  )
  assert.ok(all, `${reading.length} of ${written}`)
})

test('the end comes after the bytes before it', () => {
  const way = new VirtualWay({ delayMs: 20, jitterMs: 15, seed: 3 })
  way.run(() => way.caller.state === 'open', 10 * SECOND)
  way.caller.write([new Uint8Array(5000)])
  way.caller.flush(way.now)
  way.caller.close(way.now)
  assert.deepEqual(
    [way.caller.state, way.caller.failure, way.caller.deadline],
    ['ended', undefined, Infinity],
  )
  const reading = new Reading()
  const ended = way.run(
    () => way.answerer!.atEnd,
    SECOND,
    () => {
      assert.ok(!way.answerer!.atEnd || reading.length === 5000)
      reading.from(way.answerer)
    },
  )
  assert.ok(ended)
  assert.equal(reading.length, 5000)
})

test('a side gives up when nobody answers', () => {
  const alone = new VirtualWay({ loss: 1 })
  assert.ok(
    alone.run(() => alone.caller.state === 'ended', 20 * SECOND),
    alone.caller.state,
  )
  assert.equal(alone.caller.failure, 'no answer')
  assert.equal(alone.caller.deadline, Infinity)
})

test('a side gives up when the peer vanishes while something is under way', () => {
  const way = new VirtualWay()
  way.run(() => way.caller.state === 'open', SECOND)
  way.cut = true
  way.caller.write([new Uint8Array(5000)])
  const began = way.now
  assert.ok(
    way.run(() => way.caller.state === 'ended', 3 * MINUTE),
    way.caller.state,
  )
  assert.equal(way.caller.failure, 'answers no longer')
  assert.ok(way.now - began > 10 * SECOND, 'not at the first hiccup')
})

test('a connection that nobody uses is kept open in NATs by one packet in 29 s', () => {
  const way = new VirtualWay({ delayMs: 20 })
  way.run(() => false, SECOND)
  way.caller.write([Uint8Array.of(1)])
  way.run(() => false, SECOND)
  const before = way.sent[0]
  way.run(() => false, 5 * MINUTE)
  assert.ok(way.sent[0] - before >= 9 && way.sent[0] - before <= 11, `${way.sent[0] - before}`)
  assert.equal(way.caller.state, 'open')
})

test('who was called and hears no more gives up, and sends nothing meanwhile', () => {
  const way = new VirtualWay({ delayMs: 20 })
  way.run(() => false, SECOND)
  way.caller.close(way.now)
  const { answerer } = way
  answerer!.receive = () => {}
  const before = way.sent[1]
  assert.ok(way.run(() => answerer!.state === 'ended', MINUTE))
  assert.deepEqual([answerer!.failure, way.sent[1] - before], ['no answer', 0])
})

/** A connection over which nothing is under way, and what a stranger would have to know to speak for the answerer. */
function quiet(): { way: VirtualWay; sequence: number; ack: number } {
  const way = new VirtualWay({ delayMs: 1 })
  way.run(() => way.caller.state === 'open', SECOND)
  let known: { sequence: number; ack: number } | undefined
  const receive = way.caller.receive.bind(way.caller)
  way.caller.receive = (packet, now) => {
    if (packet.type === UTP_DATA) known = { sequence: packet.sequence, ack: packet.ack }
    receive(packet, now)
  }
  way.caller.write([Uint8Array.of(1)])
  way.run(() => way.answerer?.readable === 1, SECOND)
  way.answerer!.write([Uint8Array.of(2)])
  way.run(() => known !== undefined, SECOND)
  way.caller.receive = receive
  way.run(() => false, SECOND)
  assert.equal(way.caller.readable, 1)
  return { way, sequence: known!.sequence + 1, ack: known!.ack }
}

test('packets of who has not seen ours change nothing', () => {
  const { way, sequence, ack } = quiet()
  const fields = { connection: 100, timestamp: 5, difference: 5, window: 0 }
  for (const wrong of [1, 20, 1000, 0x7fff, -20, -1000]) {
    const packet = { ...fields, sequence, ack: (ack + wrong) & 0xffff }
    way.inject(0, Buffer.concat([encodeUtp({ ...packet, type: UTP_DATA }), Buffer.from('evil')]))
    way.inject(0, encodeUtp({ ...packet, type: UTP_STATE }))
  }
  for (const wrong of [2, 20, 0x7fff, -9000]) {
    const reset = { ...fields, type: UTP_RESET, sequence: 0, ack: (ack + wrong) & 0xffff }
    way.inject(0, encodeUtp(reset))
  }
  way.run(() => false, SECOND)
  assert.deepEqual([way.caller.state, way.caller.readable], ['open', 1])
  way.inject(0, encodeUtp({ ...fields, type: UTP_RESET, sequence: 0, ack }))
  way.run(() => false, SECOND)
  assert.deepEqual([way.caller.state, way.caller.failure], ['ended', 'reset by the peer'])
})

test('bytes out of order are kept up to the window, and given back at the end', () => {
  const { way, sequence, ack } = quiet()
  for (let i = 1; i < 3000; i++) {
    const fields = { connection: 100, timestamp: 5, difference: 5, window: 1000, ack }
    const header = encodeUtp({ ...fields, type: UTP_DATA, sequence: (sequence + i) & 0xffff })
    way.inject(0, Buffer.concat([header, new Uint8Array(4000)]))
  }
  way.run(() => false, SECOND)
  const { used } = way.rooms[0]
  assert.ok(used > UTP_WINDOW_BYTES / 2 && used <= UTP_WINDOW_BYTES, `${used}`)
  way.caller.close(way.now)
  assert.equal(way.rooms[0].used, 0)
})

test('no packets of a peer make a stream throw or keep more than its window, whatever it makes up', () => {
  const packet = fc.record({
    type: fc.integer({ min: 0, max: 4 }),
    timestamp: fc.integer({ min: 0, max: 0xffffffff }),
    difference: fc.oneof(
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.constantFrom(1, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff),
    ),
    window: fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, 1, 1371)),
    ahead: fc.oneof(fc.integer({ min: -4, max: 8 }), fc.integer({ min: -40_000, max: 40_000 })),
    behind: fc.oneof(fc.integer({ min: -2, max: 6 }), fc.integer({ min: -40_000, max: 40_000 })),
    mask: fc.option(fc.uint8Array({ minLength: 4, maxLength: 252 }), { nil: undefined }),
    payload: fc.uint8Array({ maxLength: 40 }),
    pause: fc.constantFrom(0, 0, 1, 50, 700, 20_000),
  })
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 60 }), packets => {
      const { way, sequence, ack } = quiet()
      way.cut = true
      way.caller.write([new Uint8Array(50_000)])
      for (const { ahead, behind, mask, payload, pause, ...fields } of packets) {
        const numbers = { sequence: (sequence + ahead) & 0xffff, ack: (ack + behind) & 0xffff }
        way.inject(0, Buffer.concat([encodeUtp({ connection: 100, ...fields, ...numbers }, mask), payload]))
        way.run(() => false, pause)
        assert.ok(way.rooms[0].used >= 0 && way.rooms[0].used <= UTP_WINDOW_BYTES, `${way.rooms[0].used}`)
        const { window, delay } = way.caller.figures
        assert.ok(window >= 1372 && window <= 2 ** 22, `${window}`)
        assert.ok(delay >= 0 && Number.isFinite(delay), `${delay}`)
      }
    }),
    { numRuns: 400 },
  )
})

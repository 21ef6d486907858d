import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { MessageDecoder } from '../../../src/torrent/wire/decoder.js'
import {
  MAX_BITFIELD_LENGTH,
  MAX_BLOCK_PAYLOAD,
  MAX_EXTENDED_LENGTH,
} from '../../../src/torrent/wire/messages.js'
import { ProtocolError } from '../../../src/torrent/wire/protocol-error.js'
import { anyItem, encode } from './items.js'
import { Recorder } from './recorder.js'

/** Feeds through one reused buffer that is overwritten after each call, as a socket's is. */
function feedInCuts(decoder: MessageDecoder, stream: Uint8Array, cuts: readonly number[]): void {
  const shared = Buffer.alloc(512)
  let at = 0
  for (let i = 0; at < stream.length; i++) {
    const count = Math.min(cuts[i % cuts.length] ?? 1, shared.length, stream.length - at)
    shared.set(stream.subarray(at, at + count))
    decoder.feed(shared, count)
    shared.fill(0xee)
    at += count
  }
}

const anyCuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 512 })), {
  minLength: 1,
  maxLength: 40,
})

function head(length: number, id?: number, ...rest: number[]): Uint8Array {
  const bytes = [length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]
  return Uint8Array.from(id === undefined ? bytes : [...bytes, id, ...rest])
}

function feedAll(bytes: Uint8Array, decoder = new MessageDecoder(new Recorder())): void {
  decoder.feed(bytes, bytes.length)
}

test('what was encoded is decoded, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(anyItem, { maxLength: 30 }), anyCuts, (items, cuts) => {
      const recorder = new Recorder()
      const decoder = new MessageDecoder(recorder)
      feedInCuts(decoder, encode(items), cuts)
      assert.deepEqual(recorder.items, items)
      assert.equal(decoder.atBoundary, true)
    }),
    { numRuns: 500 },
  )
})

test('every cut of one stream in two gives the same', () => {
  const items = fc.sample(anyItem, { numRuns: 12, seed: 5 })
  const stream = encode(items)
  for (let cut = 0; cut <= stream.length; cut++) {
    const recorder = new Recorder()
    const decoder = new MessageDecoder(recorder)
    decoder.feed(stream.subarray(0, cut), cut)
    decoder.feed(stream.subarray(cut), stream.length - cut)
    assert.deepEqual(recorder.items, items, `cut at ${cut}`)
  }
})

test('bytes behind the given length are not looked at', () => {
  const recorder = new Recorder()
  const decoder = new MessageDecoder(recorder)
  const stream = Buffer.concat([head(1, 0), head(1, 1)])
  decoder.feed(stream, 5)
  assert.deepEqual(recorder.items, [{ type: 'choke' }])
  decoder.feed(stream.subarray(5), 5)
  assert.deepEqual(recorder.items, [{ type: 'choke' }, { type: 'unchoke' }])
})

test('keep-alives are counted and not delivered', () => {
  fc.assert(
    fc.property(fc.nat({ max: 50 }), anyCuts, (count, cuts) => {
      const recorder = new Recorder()
      const decoder = new MessageDecoder(recorder)
      feedInCuts(decoder, Buffer.concat([new Uint8Array(4 * count), head(1, 2)]), cuts)
      assert.equal(decoder.keepAlives, count)
      assert.deepEqual(recorder.items, [{ type: 'interested' }])
    }),
  )
})

test('a block without a target is discarded, and what follows it is read', () => {
  fc.assert(
    fc.property(fc.array(anyItem, { maxLength: 20 }), anyCuts, (items, cuts) => {
      const recorder = new Recorder(piece => piece % 2 === 0)
      feedInCuts(new MessageDecoder(recorder), encode(items), cuts)
      const expected = items.map(item =>
        item.type === 'block' && item.piece % 2 === 1
          ? { type: 'discarded', piece: item.piece, begin: item.begin, length: item.bytes.length }
          : item,
      )
      assert.deepEqual(recorder.items, expected)
    }),
  )
})

test('the progress of blocks adds up to their payload, kept or not', () => {
  fc.assert(
    fc.property(fc.array(anyItem, { maxLength: 20 }), anyCuts, (items, cuts) => {
      const recorder = new Recorder(piece => piece % 2 === 0)
      feedInCuts(new MessageDecoder(recorder), encode(items), cuts)
      const payload = items.reduce((sum, item) => sum + (item.type === 'block' ? item.bytes.length : 0), 0)
      assert.equal(recorder.progress, payload)
    }),
  )
})

test('a dropped target is not written any more, and its block is told as not kept', () => {
  const target = new Uint8Array(8)
  const told: boolean[] = []
  const decoder = new MessageDecoder({
    message() {},
    blockTarget: () => target,
    block: (_piece, _begin, _length, kept) => told.push(kept),
  })
  const stream = encode([{ type: 'block', piece: 1, begin: 0, bytes: new Uint8Array(8).fill(7) }])
  decoder.feed(stream, 17)
  decoder.dropTarget()
  decoder.feed(stream.subarray(17), 4)
  assert.deepEqual([...target], [7, 7, 7, 7, 0, 0, 0, 0])
  assert.deepEqual(told, [false])
})

test('the target of one block is not used for the next', () => {
  const first = new Uint8Array(4)
  const targets: (Uint8Array | null)[] = [first, null]
  const decoder = new MessageDecoder({ message() {}, blockTarget: () => targets.shift() ?? null, block() {} })
  const block = (fill: number): Uint8Array =>
    encode([{ type: 'block', piece: 0, begin: 0, bytes: new Uint8Array(4).fill(fill) }])
  feedAll(Buffer.concat([block(1), block(2)]), decoder)
  assert.deepEqual([...first], [1, 1, 1, 1])
})

test('a target may be larger than its block, of shared memory, and a part of something', () => {
  const slab = new Uint8Array(new SharedArrayBuffer(64))
  const decoder = new MessageDecoder({
    message() {},
    blockTarget: (_piece, begin) => slab.subarray(begin),
    block() {},
  })
  feedAll(encode([{ type: 'block', piece: 0, begin: 10, bytes: Uint8Array.of(1, 2, 3) }]), decoder)
  assert.deepEqual([...slab.subarray(9, 14)], [0, 1, 2, 3, 0])
})

test('a target that is too small is a mistake of ours, not of the peer', () => {
  const decoder = new MessageDecoder({ message() {}, blockTarget: () => new Uint8Array(3), block() {} })
  const stream = encode([{ type: 'block', piece: 0, begin: 0, bytes: new Uint8Array(4) }])
  assert.throws(() => feedAll(stream, decoder), RangeError)
})

test('nothing is delivered after a stop, also when an event stops it', () => {
  for (const stopAt of ['message', 'blockTarget', 'blockProgress', 'block'] as const) {
    const told: string[] = []
    const tell = (name: string): void => {
      told.push(name)
      if (name === stopAt) decoder.stop()
    }
    const target = new Uint8Array(2)
    const decoder: MessageDecoder = new MessageDecoder({
      message: () => tell('message'),
      blockTarget: () => (tell('blockTarget'), target),
      blockProgress: () => tell('blockProgress'),
      block: () => tell('block'),
    })
    const stream = encode([
      { type: 'choke' },
      { type: 'block', piece: 0, begin: 0, bytes: Uint8Array.of(9, 9) },
      { type: 'choke' },
    ])
    feedAll(stream, decoder)
    feedAll(stream, decoder)
    assert.equal(told.indexOf(stopAt), told.length - 1, stopAt)
    if (stopAt === 'blockTarget') assert.deepEqual([...target], [0, 0])
  }
})

const broken: [string, Uint8Array][] = [
  ['a length beyond every cap, at its fourth byte', head(MAX_EXTENDED_LENGTH + 2)],
  ['the longest length there is', head(0xffffffff)],
  ['an unknown number', head(1, 21)],
  ['an unknown number with a body', head(100, 99)],
  ['a choke with a body', head(2, 0)],
  ['a have that is short', head(4, 4)],
  ['a have that is long', head(6, 4)],
  ['a request that is short', head(12, 6)],
  ['a request that is long', head(14, 6)],
  ['a cancel that is long', head(14, 8)],
  ['a reject that is short', head(5, 16)],
  ['a port that is long', head(5, 9)],
  ['a haveAll with a body', head(2, 14)],
  ['a block without payload', head(9, 7)],
  ['a block without a head', head(1, 7)],
  ['a block that is too long', head(9 + MAX_BLOCK_PAYLOAD + 1, 7)],
  ['an extended message without an id', head(1, 20)],
  ['an extended message that is too long', head(1 + MAX_EXTENDED_LENGTH + 1, 20)],
  ['a bitfield that is too long', head(1 + MAX_BITFIELD_LENGTH + 1, 5)],
]
for (const [what, bytes] of broken) {
  test(`refused, whole or byte by byte, before its body comes: ${what}`, () => {
    assert.throws(() => feedAll(bytes), ProtocolError)
    // Enough behind it for the head to be read in place.
    assert.throws(() => feedAll(Buffer.concat([bytes, new Uint8Array(20)])), ProtocolError)
    const decoder = new MessageDecoder(new Recorder())
    assert.throws(() => feedInCuts(decoder, bytes, [1]), ProtocolError)
  })
}

test('messages as long as their caps are taken', () => {
  const recorder = new Recorder()
  const decoder = new MessageDecoder(recorder)
  const payload = new Uint8Array(MAX_EXTENDED_LENGTH - 1).fill(3)
  feedInCuts(
    decoder,
    encode([
      { type: 'extended', id: 4, payload },
      { type: 'bitfield', bytes: new Uint8Array(MAX_BITFIELD_LENGTH) },
      { type: 'block', piece: 0, begin: 0, bytes: new Uint8Array(MAX_BLOCK_PAYLOAD) },
    ]),
    [500],
  )
  assert.deepEqual(
    recorder.items.map(item => item.type),
    ['extended', 'bitfield', 'block'],
  )
  assert.deepEqual(recorder.items[0], { type: 'extended', id: 4, payload })
})

test('the cap of bitfields can be set to the exact size', () => {
  const decoder = new MessageDecoder(new Recorder())
  decoder.setBitfieldCap(3)
  feedAll(encode([{ type: 'bitfield', bytes: new Uint8Array(3) }]), decoder)
  assert.throws(
    () => feedAll(encode([{ type: 'bitfield', bytes: new Uint8Array(4) }]), decoder),
    ProtocolError,
  )
})

test('after an error nothing more is taken', () => {
  const recorder = new Recorder()
  const decoder = new MessageDecoder(recorder)
  assert.throws(() => feedAll(head(1, 99), decoder), ProtocolError)
  feedAll(head(1, 0), decoder)
  assert.deepEqual(recorder.items, [])
})

test('a length prefix alone reserves no more than a step, whatever it claims', () => {
  const before = process.memoryUsage().arrayBuffers
  const decoders = Array.from({ length: 500 }, () => {
    const decoder = new MessageDecoder(new Recorder())
    feedAll(Buffer.concat([head(1 + MAX_EXTENDED_LENGTH, 20), new Uint8Array(40)]), decoder)
    return decoder
  })
  const each = (process.memoryUsage().arrayBuffers - before) / decoders.length
  assert.ok(each < 24 * 1024, `${each} bytes a connection`)
})

/** Feeds anything and checks that nothing but a ProtocolError comes of it, and nothing beyond the caps. */
function feedHostile(stream: Uint8Array, cuts: readonly number[]): void {
  const recorder = new Recorder()
  const decoder = new MessageDecoder(recorder)
  decoder.setBitfieldCap(64)
  try {
    feedInCuts(decoder, stream, cuts)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    assert.equal(error.code, 'ERR_TORRENTFS_PROTOCOL')
  }
  for (const item of recorder.items) {
    if (item.type === 'bitfield') assert.ok(item.bytes.length <= 64)
    if (item.type === 'extended') assert.ok(item.payload.length < MAX_EXTENDED_LENGTH)
    if (item.type === 'block') assert.ok(item.bytes.length <= MAX_BLOCK_PAYLOAD)
  }
}

test('random bytes cause nothing but a ProtocolError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), anyCuts, (stream, cuts) => feedHostile(stream, cuts)),
    { numRuns: 1000 },
  )
})

test('random messages of small random lengths cause nothing but a ProtocolError', () => {
  const frame = fc
    .tuple(fc.nat({ max: 40 }), fc.nat({ max: 24 }), fc.uint8Array({ maxLength: 40 }))
    .map(([length, id, body]) => Buffer.concat([head(length, id), body]))
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), anyCuts, (frames, cuts) =>
      feedHostile(Buffer.concat(frames), cuts),
    ),
    { numRuns: 1000 },
  )
})

test('mutated messages cause nothing but a ProtocolError', () => {
  const mutation = fc.tuple(fc.nat(), fc.nat({ max: 255 }))
  fc.assert(
    fc.property(
      fc.array(anyItem, { minLength: 1, maxLength: 15 }),
      fc.array(mutation, { maxLength: 6 }),
      anyCuts,
      (items, mutations, cuts) => {
        const stream = encode(items)
        for (const [position, value] of mutations) stream[position % stream.length] = value
        feedHostile(stream, cuts)
      },
    ),
    { numRuns: 1000 },
  )
})

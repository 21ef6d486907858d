import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'

import fc from 'fast-check'

import { KeyPair, PRIVATE_KEY_LENGTH, type KeyExchange } from '../../../src/torrent/wire/key-exchange.js'
import { ProtocolError } from '../../../src/torrent/wire/protocol-error.js'
import { StreamAnswerer } from '../../../src/torrent/wire/stream-encryption-answerer.js'
import { StreamCaller } from '../../../src/torrent/wire/stream-encryption-caller.js'
import {
  MAX_PAD,
  torrentKey,
  type SecuredStream,
  type StreamMethod,
} from '../../../src/torrent/wire/stream-encryption.js'

const infohash = new Uint8Array(20).fill(0x1f)
const stranger = new Uint8Array(20).fill(0x20)

/** Keys that cost nothing: the exchange itself is what is tested here. */
function cheapKeys(name: number): KeyExchange {
  const publicKey = new Uint8Array(96).fill(name)
  return {
    publicKey,
    secret(theirs) {
      if (theirs.every(byte => byte === 0)) throw new ProtocolError('a public key that is none')
      const mixed = theirs.map((byte, i) => byte ^ (publicKey[i] as number))
      return createHash('sha512').update(mixed).digest()
    },
  }
}

interface Settings {
  readonly offered: readonly StreamMethod[]
  readonly accepted: readonly StreamMethod[]
  readonly pads: readonly [caller: number, callerInner: number, answerer: number, answererInner: number]
  readonly first: Uint8Array
  readonly infohash?: Uint8Array
  readonly keys?: readonly [KeyExchange, KeyExchange]
}

const plainest: Settings = {
  offered: ['rc4'],
  accepted: ['rc4'],
  pads: [0, 0, 0, 0],
  first: new Uint8Array(0),
}

/** A caller and an answerer, and what either has said. */
class Exchange {
  readonly caller: StreamCaller
  readonly answerer: StreamAnswerer
  toAnswerer: Uint8Array[] = []
  toCaller: Uint8Array[] = []

  constructor(settings: Settings) {
    const [pad, innerPad, theirPad, theirInnerPad] = settings.pads
    const [ours, theirs] = settings.keys ?? [cheapKeys(0x55), cheapKeys(0x77)]
    this.caller = new StreamCaller({
      keys: ours,
      infohash: settings.infohash ?? infohash,
      methods: settings.offered,
      pad: randomBytes(pad),
      innerPad,
      first: settings.first,
      send: bytes => this.toAnswerer.push(bytes),
    })
    this.answerer = new StreamAnswerer({
      keys: theirs,
      find: key => (Buffer.from(key).equals(torrentKey(infohash)) ? infohash : undefined),
      methods: settings.accepted,
      pad: randomBytes(theirPad),
      innerPad: theirInnerPad,
      send: bytes => this.toCaller.push(bytes),
    })
    this.caller.begin()
  }
}

/** Feeds in pieces, through a buffer that is overwritten after each. */
function feedInCuts(
  machine: StreamCaller | StreamAnswerer,
  parts: readonly Uint8Array[],
  cuts: readonly number[],
): SecuredStream | undefined {
  const stream = Buffer.concat(parts)
  const shared = Buffer.alloc(2048)
  let at = 0
  let result: SecuredStream | undefined
  for (let i = 0; at < stream.length; i++) {
    assert.equal(result, undefined, 'fed beyond its end')
    const count = Math.min(cuts[i % cuts.length] ?? 1, shared.length, stream.length - at)
    shared.set(stream.subarray(at, at + count))
    result = machine.feed(shared, count)
    shared.fill(0xee)
    at += count
  }
  return result
}

/** Plays a whole exchange. */
function play(settings: Settings, cuts: readonly number[]): [caller: SecuredStream, answerer: SecuredStream] {
  const exchange = new Exchange(settings)
  const { caller, answerer } = exchange
  assert.equal(feedInCuts(answerer, exchange.toAnswerer.splice(0), cuts), undefined)
  assert.equal(feedInCuts(caller, exchange.toCaller.splice(0), cuts), undefined)
  const answered = feedInCuts(answerer, exchange.toAnswerer.splice(0), cuts)
  assert.ok(answered !== undefined, 'the answerer has a result')
  const called = feedInCuts(caller, exchange.toCaller.splice(0), cuts)
  assert.ok(called !== undefined, 'the caller has a result')
  return [called, answered]
}

/** Whether two streams understand each other in both directions. */
function checkStreams(a: SecuredStream, b: SecuredStream): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const bytes = randomBytes(100)
    const travelling = Uint8Array.from(bytes)
    from.outgoing?.apply(travelling, 0, 100)
    if (from.method === 'rc4') assert.notDeepEqual(Buffer.from(travelling), bytes)
    to.incoming?.apply(travelling, 0, 100)
    assert.deepEqual(Buffer.from(travelling), bytes)
  }
}

const anyCuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2048 })), {
  minLength: 1,
  maxLength: 30,
})
const anyPad = fc.oneof(fc.constantFrom(0, 1, MAX_PAD), fc.nat({ max: MAX_PAD }))
const anyMethods = fc.constantFrom<readonly StreamMethod[]>(
  ['rc4'],
  ['plain'],
  ['plain', 'rc4'],
  ['rc4', 'plain'],
)

test('both sides come to the same, whatever is offered and padded, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      anyMethods,
      anyMethods,
      fc.tuple(anyPad, anyPad, anyPad, anyPad),
      fc.uint8Array({ maxLength: 400 }),
      anyCuts,
      (offered, accepted, pads, first, cuts) => {
        const expected = accepted.find(method => offered.includes(method))
        fc.pre(expected !== undefined)
        const [called, answered] = play({ offered, accepted, pads, first }, cuts)
        assert.equal(called.method, expected)
        assert.equal(answered.method, expected)
        assert.deepEqual(answered.infohash, infohash)
        assert.deepEqual(Buffer.from(answered.early), Buffer.from(first))
        assert.equal(called.early.length, 0)
        checkStreams(called, answered)
      },
    ),
    { numRuns: 500 },
  )
})

test('with real keys it is the same', () => {
  const newKeys = (): KeyExchange => new KeyPair(randomBytes(PRIVATE_KEY_LENGTH))
  for (let i = 0; i < 10; i++) {
    const first = randomBytes(68)
    const pads = [i * 50, i, 512 - i * 50, 3 * i] as const
    const [called, answered] = play({ ...plainest, pads, first, keys: [newKeys(), newKeys()] }, [100, 7])
    assert.deepEqual(Buffer.from(answered.early), first)
    checkStreams(called, answered)
  }
})

test('what follows an exchange in the same packet is kept, and decrypted as the method says', () => {
  for (const method of ['plain', 'rc4'] as const) {
    const settings = { ...plainest, offered: [method], accepted: [method], first: Buffer.from('first ') }
    const exchange = new Exchange(settings)
    const { caller, answerer } = exchange
    feedInCuts(answerer, exchange.toAnswerer.splice(0), [2048])
    feedInCuts(caller, exchange.toCaller.splice(0), [2048])
    const answered = feedInCuts(answerer, exchange.toAnswerer.splice(0), [2048])!
    assert.equal(Buffer.from(answered.early).toString(), 'first ')
    const more = Buffer.from('more of the stream')
    const encrypted = Uint8Array.from(more)
    answered.outgoing?.apply(encrypted, 0, encrypted.length)
    const called = feedInCuts(caller, [...exchange.toCaller.splice(0), encrypted], [2048])!
    assert.equal(Buffer.from(called.early).toString(), more.toString())
  }
})

test('the beginning of the stream is encrypted even where the rest is not', () => {
  const first = Buffer.from('The beginning of a stream, long enough to be found.')
  const exchange = new Exchange({ ...plainest, offered: ['plain'], accepted: ['plain'], first })
  const { caller, answerer } = exchange
  feedInCuts(answerer, exchange.toAnswerer.splice(0), [2048])
  feedInCuts(caller, exchange.toCaller.splice(0), [2048])
  const message = Buffer.concat(exchange.toAnswerer.splice(0))
  assert.equal(message.indexOf(first.subarray(0, 8)), -1)
  const more = Buffer.from(' And its end.')
  const answered = feedInCuts(answerer, [message, more], [2048])!
  assert.equal(Buffer.from(answered.early).toString(), Buffer.concat([first, more]).toString())
})

test('a beginning of the longest length is taken', () => {
  const first = randomBytes(65_535)
  const [, answered] = play({ ...plainest, first }, [2000])
  assert.deepEqual(Buffer.from(answered.early), first)
})

const refusals: [string, (exchange: Exchange) => void][] = [
  ['a public key that is none', ({ answerer }) => void answerer.feed(new Uint8Array(96), 96)],
  [
    'bytes without the hash that ends the pad',
    ({ answerer }) => void answerer.feed(randomBytes(96 + 532), 96 + 532),
  ],
  [
    'a hash behind a pad that is too long',
    exchange => {
      exchange.answerer.feed(exchange.toAnswerer[0]!, 96)
      exchange.caller.feed(exchange.toCaller[0]!, 96)
      const message = Buffer.concat([randomBytes(513), exchange.toAnswerer[1]!])
      exchange.answerer.feed(message, message.length)
    },
  ],
  [
    'an answer without the mark that ends the pad',
    ({ caller }) => void caller.feed(randomBytes(96 + 520), 96 + 520),
  ],
  ['an answer with a public key that is none', ({ caller }) => void caller.feed(new Uint8Array(96), 96)],
]
for (const [what, provoke] of refusals) {
  test(`${what} ends the exchange`, () => {
    assert.throws(() => provoke(new Exchange(plainest)), { name: 'ProtocolError' })
  })
}

test('a torrent we do not have, and methods that do not meet, end the exchange', () => {
  const cases: [Partial<Settings>, RegExp][] = [
    [{ infohash: stranger }, /torrent we do not have/],
    [{ offered: ['plain'], accepted: ['rc4'] }, /no method/],
    [{ offered: ['rc4'], accepted: ['plain'] }, /no method/],
  ]
  for (const [settings, message] of cases) {
    assert.throws(() => play({ ...plainest, ...settings }, [2048]), { name: 'ProtocolError', message })
  }
})

/** An answer as an answerer that breaks the rules would give it: the choice, and what it says of its pad. */
function answerWith(choice: number, padLength: number): void {
  const exchange = new Exchange(plainest)
  const { caller, answerer } = exchange
  feedInCuts(answerer, exchange.toAnswerer.splice(0), [2048])
  feedInCuts(caller, exchange.toCaller.splice(0), [2048])
  feedInCuts(answerer, exchange.toAnswerer.splice(0), [2048])
  const message = Uint8Array.from(exchange.toCaller[0]!)
  // A stream cipher: what is changed in the cipher text is changed in the text.
  const change = new DataView(message.buffer)
  change.setUint32(8, change.getUint32(8) ^ 2 ^ choice)
  change.setUint16(12, change.getUint16(12) ^ padLength)
  caller.feed(message, message.length)
}

for (const choice of [0, 1, 3, 4, 0x80000002]) {
  test(`a choice of ${choice}, which was not offered, ends the exchange`, () => {
    assert.throws(() => answerWith(choice, 0), { name: 'ProtocolError', message: /choice/ })
  })
}

test('a pad that is announced to be longer than pads may be ends the exchange', () => {
  assert.throws(() => answerWith(2, 513), { name: 'ProtocolError', message: /pad of 513/ })
})

const FUZZ_COUNT = Number(process.env['FUZZ_COUNT'] ?? 200_000)
const FUZZ_SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** A small generator whose sequence depends on its seed only. */
function chance(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** What a machine may take without coming to an end: it holds no more than that. */
const MOST_FED = { caller: 96 + 512 + 8 + 6 + 512, answerer: 96 + 512 + 20 + 20 + 14 + 512 + 2 + 65_535 }

test(`${FUZZ_COUNT} exchanges with random and mutated bytes end in ProtocolError or in peace, seed ${FUZZ_SEED}`, () => {
  const draw = chance(FUZZ_SEED)
  const honest = (() => {
    const exchange = new Exchange({ ...plainest, pads: [9, 3, 8, 2], first: randomBytes(68) })
    const { caller, answerer, toAnswerer, toCaller } = exchange
    feedInCuts(answerer, toAnswerer, [2048])
    feedInCuts(caller, toCaller, [2048])
    feedInCuts(answerer, [toAnswerer.at(-1)!], [2048])
    return { toAnswerer: Buffer.concat(toAnswerer), toCaller: Buffer.concat(toCaller) }
  })()
  const noise = randomBytes(4096)
  const outcomes = { refused: 0, done: 0, waiting: 0 }
  for (let run = 0; run < FUZZ_COUNT; run++) {
    const asCaller = draw(2) === 0
    const exchange = new Exchange({ ...plainest, pads: [9, 3, 8, 2], first: noise.subarray(0, 68) })
    const machine = asCaller ? exchange.caller : exchange.answerer
    let input: Uint8Array
    if (draw(3) === 0) {
      const begin = draw(noise.length - 1200)
      input = noise.subarray(begin, begin + draw(1200))
    } else {
      input = Uint8Array.from(asCaller ? honest.toCaller : honest.toAnswerer)
      for (let changes = draw(4); changes > 0; changes--) input[draw(input.length)] = draw(256)
      if (draw(4) === 0) input = input.subarray(draw(120))
      if (draw(4) === 0) input = input.subarray(0, draw(input.length + 1))
    }
    let at = 0
    let done: SecuredStream | undefined
    try {
      while (at < input.length && done === undefined) {
        const count = Math.min(input.length - at, 1 + draw(draw(2) === 0 ? 20 : 1200))
        done = machine.feed(input.subarray(at), count)
        at += count
      }
      outcomes[done === undefined ? 'waiting' : 'done']++
      if (done === undefined) assert.ok(at <= MOST_FED[asCaller ? 'caller' : 'answerer'], `run ${run}`)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw new Error(`run ${run}`, { cause: error })
      outcomes.refused++
    }
  }
  for (const [outcome, times] of Object.entries(outcomes))
    assert.ok(times > FUZZ_COUNT / 50, `${outcome}: ${times}`)
})

/** Both sides of the exchange that encrypts a stream, for the fuzz. */
import assert from 'node:assert/strict'
import { PUBLIC_KEY_LENGTH, type KeyExchange } from '../../../src/torrent/wire/key-exchange.js'
import { StreamAnswerer } from '../../../src/torrent/wire/stream-encryption-answerer.js'
import { StreamCaller } from '../../../src/torrent/wire/stream-encryption-caller.js'
import { torrentKey, type SecuredStream } from '../../../src/torrent/wire/stream-encryption.js'
import type { Target } from '../../support/fuzz.js'
import { cutAnyhow, type Chance } from '../../support/mutations.js'

const INFOHASH = new Uint8Array(20).fill(0x41)
const PAD = new Uint8Array(7).fill(9)
const FIRST = Buffer.from('the first bytes of the stream')

/** The secret both sides get, whatever was sent: so that what is recorded once is valid for ever, and cheap. */
const KEYS: KeyExchange = {
  publicKey: new Uint8Array(PUBLIC_KEY_LENGTH).fill(3),
  secret: () => new Uint8Array(PUBLIC_KEY_LENGTH).fill(5),
}

const BOTH = { keys: KEYS, methods: ['rc4', 'plain'], pad: PAD, innerPad: 5 } as const

function caller(send: (bytes: Uint8Array) => void): StreamCaller {
  return new StreamCaller({ ...BOTH, infohash: INFOHASH, first: FIRST, send })
}

function answerer(send: (bytes: Uint8Array) => void): StreamAnswerer {
  const ours = Buffer.from(torrentKey(INFOHASH))
  return new StreamAnswerer({ ...BOTH, find: key => (ours.equals(key) ? INFOHASH : undefined), send })
}

/** All that each side says when both keep to it. */
function recorded(): { readonly caller: Buffer; readonly answerer: Buffer } {
  const said = { caller: [] as Uint8Array[], answerer: [] as Uint8Array[] }
  const calling = caller(bytes => said.caller.push(bytes))
  const answering = answerer(bytes => said.answerer.push(bytes))
  const heard = { caller: 0, answerer: 0 }
  const done = { caller: false, answerer: false }
  calling.begin()
  while (!done.caller || !done.answerer) {
    const toAnswerer = said.caller[heard.answerer]
    const toCaller = said.answerer[heard.caller]
    assert.ok(toAnswerer !== undefined || toCaller !== undefined, 'neither side has anything to say')
    if (toAnswerer !== undefined) {
      heard.answerer++
      if (!done.answerer) done.answerer = answering.feed(toAnswerer, toAnswerer.length) !== undefined
    }
    if (toCaller !== undefined) {
      heard.caller++
      if (!done.caller) done.caller = calling.feed(toCaller, toCaller.length) !== undefined
    }
  }
  return { caller: Buffer.concat(said.caller), answerer: Buffer.concat(said.answerer) }
}

const RECORDED = recorded()
/** More than both pads, keys and the first bytes together: an exchange must not gather for ever. */
const MOST_SENT = 100_000

function exchanged(
  feed: (bytes: Uint8Array, length: number) => SecuredStream | undefined,
  input: Buffer,
  chance: Chance,
): boolean {
  for (const part of cutAnyhow(input, chance)) {
    const secured = feed(part, part.length)
    if (secured === undefined) continue
    assert.deepEqual(secured.infohash, INFOHASH)
    return true
  }
  return false
}

export const ENCRYPTION_TARGETS: readonly Target[] = [
  {
    name: 'MSE answerer',
    grammar: 'binary',
    codes: ['ERR_TORRENTFS_PROTOCOL'],
    samples: [RECORDED.caller],
    take(input, chance) {
      let sent = 0
      const side = answerer(bytes => (sent += bytes.length))
      const taken = exchanged((bytes, length) => side.feed(bytes, length), input, chance)
      assert.ok(sent < MOST_SENT)
      return taken
    },
  },
  {
    name: 'MSE caller',
    grammar: 'binary',
    codes: ['ERR_TORRENTFS_PROTOCOL'],
    samples: [RECORDED.answerer],
    take(input, chance) {
      let sent = 0
      const side = caller(bytes => (sent += bytes.length))
      side.begin()
      const taken = exchanged((bytes, length) => side.feed(bytes, length), input, chance)
      assert.ok(sent < MOST_SENT)
      return taken
    },
  },
]

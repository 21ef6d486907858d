/** The decoders of what peers send, for the fuzz: alone, and together with the core that hears of it. */
import assert from 'node:assert/strict'
import { MetadataExchange } from '../../../src/torrent/core/metadata-exchange.js'
import { TorrentCore } from '../../../src/torrent/core/torrent-core.js'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { Geometry } from '../../../src/torrent/pieces/geometry.js'
import { MessageDecoder } from '../../../src/torrent/wire/decoder.js'
import { MessageEncoder } from '../../../src/torrent/wire/encoder.js'
import { decodeExtensionHandshake, encodeExtensionHandshake } from '../../../src/torrent/wire/extension.js'
import {
  checkHandshakePrefix,
  decodeHandshake,
  encodeHandshake,
  handshakeInfohash,
  HANDSHAKE_HEAD_LENGTH,
} from '../../../src/torrent/wire/handshake.js'
import { MAX_BLOCK_PAYLOAD, type WireMessage } from '../../../src/torrent/wire/messages.js'
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  METADATA_PIECE_LENGTH,
} from '../../../src/torrent/wire/metadata-message.js'
import type { Target } from '../../support/fuzz.js'
import { cutAnyhow, type Chance } from '../../support/mutations.js'

const ID = new Uint8Array(20).fill(0x41)
const PIECES = 16
/** One block a piece. */
const PIECE_LENGTH = 48

/** A stream with every message there is, about a torrent of {@link PIECES} small pieces. */
function conversation(): Buffer {
  const encoder = new MessageEncoder()
  encoder.bitfield(new Uint8Array(PIECES / 8).fill(0xff))
  encoder.unchoke()
  encoder.interested()
  encoder.have(3)
  encoder.haveAll()
  encoder.haveNone()
  encoder.allowedFast(5)
  encoder.suggest(5)
  encoder.port(6881)
  encoder.request(1, 0, PIECE_LENGTH)
  encoder.cancel(1, 0, PIECE_LENGTH)
  encoder.reject(0, 0, PIECE_LENGTH)
  encoder.keepAlive()
  encoder.extended(0, encodeExtensionHandshake({ extensions: new Map([['ut_metadata', 2]]) }))
  encoder.notInterested()
  encoder.choke()
  return Buffer.concat(encoder.take())
}

/** A peer that does what is asked of it. */
function delivery(): Buffer {
  const encoder = new MessageEncoder()
  encoder.haveAll()
  encoder.unchoke()
  for (let piece = 0; piece < 6; piece++) encoder.block(piece, 0, new Uint8Array(PIECE_LENGTH))
  encoder.request(1, 0, PIECE_LENGTH)
  return Buffer.concat(encoder.take())
}

/** All that a decoder tells of some bytes, as one text, and whether it threw. */
function decoded(parts: Iterable<Uint8Array>): { readonly told: string; readonly error: Error | undefined } {
  let told = ''
  let target: Uint8Array | null = null
  const decoder = new MessageDecoder({
    message: message => {
      told += `${message.type} ${Object.values(message).join()}\n`
    },
    blockTarget: (piece, begin, length) => {
      assert.ok(length > 0 && length <= MAX_BLOCK_PAYLOAD)
      return (target = (piece + begin) % 2 === 0 ? new Uint8Array(length) : null)
    },
    block: (piece, begin, length, kept) => {
      told += `block ${piece} ${begin} ${length} ${kept ? target!.join() : ''}\n`
    },
  })
  try {
    for (const part of parts) decoder.feed(part, part.length)
  } catch (error) {
    return { told, error: error as Error }
  }
  return { told, error: undefined }
}

/** A torrent that is being read, and a peer that is connected to it. */
class Downloading {
  readonly budget = new MemoryBudget(64 * PIECE_LENGTH)
  readonly core: TorrentCore
  #now = 0

  constructor() {
    const stored = new Bitfield(PIECES)
    stored.set(1)
    const length = PIECES * PIECE_LENGTH
    this.core = new TorrentCore({
      geometry: new Geometry({
        length,
        pieceLength: PIECE_LENGTH,
        files: [{ offset: 0, length, pad: false }],
      }),
      stored,
      suspect: new Bitfield(0),
      budget: this.budget,
      allowance: { take: () => true, giveBack() {}, spend() {} },
      uploadSlots: () => 4,
    })
    this.core.handle({ type: 'readerOpened', reader: 1, begin: 0, end: length, readahead: length }, 0)
    this.core.handle({ type: 'wait', wait: 1, reader: 1, begin: 0, end: 1000 }, 0)
    this.core.handle({ type: 'peer', peer: 1, fast: true, incoming: true }, 0)
  }

  message(message: WireMessage): void {
    if (message.type === 'port' || message.type === 'extended') return
    this.core.handle({ type: 'message', peer: 1, message }, ++this.#now)
    if (this.#now % 7 === 0) this.core.handle({ type: 'tick' }, this.#now)
  }

  blockTarget(piece: number, begin: number, length: number): Uint8Array | null {
    return this.core.place(1, piece, begin, length) === 'discard' ? null : new Uint8Array(length)
  }

  block(piece: number, begin: number, length: number, kept: boolean): void {
    for (const effect of this.core.handle(
      { type: 'block', peer: 1, piece, begin, length, kept },
      ++this.#now,
    )) {
      if (effect.type !== 'store') continue
      this.core.handle({ type: 'storeResult', piece: effect.piece, result: { kind: 'stored' } }, this.#now)
    }
    this.core.handle({ type: 'turn', peer: 1 }, this.#now)
  }

  /** Nothing may be left of a peer that is gone and a reader that is closed. */
  end(): void {
    this.core.handle({ type: 'gone', peer: 1 }, ++this.#now)
    this.core.handle({ type: 'readerClosed', reader: 1 }, this.#now)
    for (let i = 0; i < 3; i++) this.core.handle({ type: 'tick' }, (this.#now += 11_000))
    assert.equal(this.budget.used, 0, 'memory is kept for pieces nobody wants')
  }
}

function takesExtensionHandshake(input: Buffer): boolean {
  const { extensions, client, requestQueue, metadataSize, listenPort, yourAddress } =
    decodeExtensionHandshake(input)
  assert.ok(extensions.size <= 64)
  for (const [name, id] of extensions) assert.ok(name.length <= 64 && id >= 0 && id <= 255)
  assert.ok(client === undefined || (client.length <= 128 && !/\p{C}/u.test(client)))
  for (const number of [requestQueue, metadataSize]) {
    assert.ok(number === undefined || (Number.isSafeInteger(number) && number > 0))
  }
  assert.ok(listenPort === undefined || (listenPort > 0 && listenPort < 65536))
  assert.ok(yourAddress === undefined || yourAddress.length === 4 || yourAddress.length === 16)
  return true
}

function takesMetadataMessage(input: Buffer): boolean {
  const message = decodeMetadataMessage(input)
  if (message === undefined) return false
  assert.ok(Number.isSafeInteger(message.piece) && message.piece >= 0)
  if (message.type !== 'data') return true
  assert.ok(message.bytes.length > 0 && message.bytes.length <= METADATA_PIECE_LENGTH)
  // Whoever sends it, was asked for two parts of a dictionary of 20,000 bytes.
  const exchange = new MetadataExchange()
  exchange.offer(1, 20_000)
  exchange.requests(0)
  const candidate = exchange.receive(1, message.piece, message.totalSize, message.bytes)
  assert.equal(candidate, undefined, 'whole after one of two parts')
  return true
}

export const WIRE_TARGETS: readonly Target[] = [
  {
    name: 'handshake',
    grammar: 'binary',
    codes: ['ERR_TORRENTFS_PROTOCOL'],
    samples: [
      encodeHandshake({ infohash: ID, peerId: ID, fast: true, extensions: true, dht: true }),
      encodeHandshake({ infohash: ID, peerId: ID, fast: false, extensions: false, dht: false }),
    ],
    take(input) {
      checkHandshakePrefix(input, input.length)
      if (input.length >= HANDSHAKE_HEAD_LENGTH) assert.equal(handshakeInfohash(input).length, 20)
      const handshake = decodeHandshake(input)
      assert.deepEqual(decodeHandshake(encodeHandshake(handshake)), handshake)
      return true
    },
  },
  {
    name: 'messages',
    grammar: 'binary',
    samples: [conversation(), delivery()],
    codes: ['ERR_TORRENTFS_PROTOCOL'],
    take(input, chance) {
      const whole = decoded([input])
      const cut = decoded(cutAnyhow(input, chance))
      assert.equal(cut.told, whole.told)
      // Which of two faults is seen first may depend on the cut.
      assert.equal(cut.error === undefined, whole.error === undefined)
      if (whole.error !== undefined) throw whole.error
      return true
    },
  },
  {
    name: 'peer',
    grammar: 'binary',
    samples: [conversation(), delivery()],
    codes: ['ERR_TORRENTFS_PROTOCOL'],
    take(input: Buffer, chance: Chance) {
      const downloading = new Downloading()
      const decoder = new MessageDecoder(downloading)
      try {
        for (const part of cutAnyhow(input, chance)) decoder.feed(part, part.length)
      } finally {
        downloading.end()
      }
      return true
    },
  },
  {
    name: 'extension handshake',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_PROTOCOL'],
    samples: [
      encodeExtensionHandshake({
        extensions: new Map([
          ['ut_metadata', 1],
          ['ut_pex', 2],
          ['lt_donthave', 7],
        ]),
        client: 'µTorrent 3.5',
        requestQueue: 500,
        metadataSize: 31235,
        listenPort: 6881,
        yourAddress: Uint8Array.of(192, 0, 2, 1),
        uploadOnly: true,
      }),
    ],
    take: takesExtensionHandshake,
  },
  {
    name: 'metadata',
    grammar: 'bencode',
    codes: ['ERR_TORRENTFS_PROTOCOL'],
    samples: [
      encodeMetadataMessage({ type: 'request', piece: 1 }),
      encodeMetadataMessage({ type: 'reject', piece: 0 }),
      encodeMetadataMessage({ type: 'data', piece: 0, totalSize: 20_000, bytes: new Uint8Array(16384) }),
      encodeMetadataMessage({ type: 'data', piece: 1, totalSize: 20_000, bytes: new Uint8Array(3616) }),
    ],
    take: takesMetadataMessage,
  },
]

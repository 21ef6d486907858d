/** Arbitrary messages and blocks, and their bytes. */
import fc from 'fast-check'

import { MessageEncoder } from '../../../src/torrent/wire/encoder.js'
import type { Item } from './recorder.js'

const plain = { noNullPrototype: true } as const
const uint32 = fc.nat({ max: 0xffffffff })
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 0, maxLength })

export const anyItem: fc.Arbitrary<Item> = fc.oneof(
  fc
    .constantFrom('choke', 'unchoke', 'interested', 'notInterested', 'haveAll', 'haveNone')
    .map(type => ({ type })),
  fc.record(
    { type: fc.constantFrom('have', 'suggest', 'allowedFast'), piece: uint32 },
    plain,
  ) as fc.Arbitrary<Item>,
  fc.record(
    {
      type: fc.constantFrom('request', 'cancel', 'reject'),
      piece: uint32,
      begin: uint32,
      length: uint32,
    },
    plain,
  ) as fc.Arbitrary<Item>,
  fc.record({ type: fc.constant('port' as const), port: fc.nat({ max: 65535 }) }, plain),
  fc.record({ type: fc.constant('bitfield' as const), bytes: bytes(200) }, plain),
  fc.record({ type: fc.constant('extended' as const), id: fc.nat({ max: 255 }), payload: bytes(200) }, plain),
  fc.record(
    {
      type: fc.constant('block' as const),
      piece: uint32,
      begin: uint32,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    },
    plain,
  ),
)

/** Writes an item with the encoder's own method for it. */
export function write(encoder: MessageEncoder, item: Item): void {
  switch (item.type) {
    case 'have':
    case 'suggest':
    case 'allowedFast':
      encoder[item.type](item.piece)
      break
    case 'request':
    case 'cancel':
    case 'reject':
      encoder[item.type](item.piece, item.begin, item.length)
      break
    case 'port':
      encoder.port(item.port)
      break
    case 'bitfield':
      encoder.bitfield(item.bytes)
      break
    case 'extended':
      encoder.extended(item.id, item.payload)
      break
    case 'block':
      encoder.block(item.piece, item.begin, item.bytes)
      break
    case 'discarded':
      break
    default:
      encoder[item.type]()
  }
}

export function encode(items: readonly Item[]): Buffer {
  const encoder = new MessageEncoder()
  for (const item of items) write(encoder, item)
  return Buffer.concat(encoder.take())
}

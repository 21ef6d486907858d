/**
 * The messages that carry an info dictionary between peers: the extension `ut_metadata`. BEP 9.
 *
 * Pure. Who asks whom for which piece, and the check of the whole, is the torrent's business.
 */
import { encodeBencode } from '../metainfo/bencode.js'
import { readDictionary } from './bencoded.js'
import { ProtocolError } from './protocol-error.js'

/** The name of the extension in an extension handshake. */
export const METADATA_EXTENSION = 'ut_metadata'

/** The length of every piece of metadata but the last, in bytes. */
export const METADATA_PIECE_LENGTH = 16 * 1024

/** A message of the extension. `piece` is any unsigned integer the sender chose. */
export type MetadataMessage =
  | { readonly type: 'request'; readonly piece: number }
  /** `totalSize` is that of the whole metadata; `bytes` is a view of the payload, of 1 byte to 16 KiB. */
  | { readonly type: 'data'; readonly piece: number; readonly totalSize: number; readonly bytes: Uint8Array }
  | { readonly type: 'reject'; readonly piece: number }

const TYPES = ['request', 'data', 'reject'] as const

/** The payload of a message, newly allocated. */
export function encodeMetadataMessage(message: MetadataMessage): Uint8Array {
  const head = encodeBencode({
    msg_type: TYPES.indexOf(message.type),
    piece: message.piece,
    total_size: message.type === 'data' ? message.totalSize : undefined,
  })
  if (message.type !== 'data') return head
  const payload = new Uint8Array(head.length + message.bytes.length)
  payload.set(head)
  payload.set(message.bytes, head.length)
  return payload
}

/**
 * Reads the payload of a message. Undefined for a type that is not known, which is to be ignored.
 *
 * @throws ProtocolError when it is not a message of the extension.
 */
export function decodeMetadataMessage(payload: Uint8Array): MetadataMessage | undefined {
  const { root, end } = readDictionary(payload, true)
  const fields = root.pick(['msg_type', 'piece', 'total_size'])
  const number = fields.msg_type?.size
  if (number === undefined) throw new ProtocolError('a metadata message without a type')
  const type = TYPES[number]
  if (type === undefined) return undefined
  const piece = fields.piece?.size
  if (piece === undefined) throw new ProtocolError('a metadata message without a piece')
  if (type !== 'data') return { type, piece }
  const totalSize = fields.total_size?.size
  if (totalSize === undefined) throw new ProtocolError('a piece of metadata without the total size')
  const bytes = payload.subarray(end)
  if (bytes.length === 0 || bytes.length > METADATA_PIECE_LENGTH) {
    throw new ProtocolError(`a piece of metadata of ${bytes.length} bytes`)
  }
  return { type, piece, totalSize, bytes }
}

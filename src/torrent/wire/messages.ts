/**
 * The messages of the peer wire protocol: their shapes, numbers and size limits. BEP 3, 5, 6, 10.
 *
 * Owns no bytes: `encoder.ts` writes messages, `decoder.ts` reads them. `piece` is absent from {@link WireMessage} on
 * purpose, its payload goes straight to its target without an object being made of it.
 */

/** The number of each message on the wire: the byte after the length prefix. */
export const MessageId = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
} as const

/** The longest payload of one `piece` message we take, in bytes. Nobody is asked for more than a block (16 KiB). */
export const MAX_BLOCK_PAYLOAD = 128 * 1024

/** The longest `extended` message (its id and payload), in bytes. */
export const MAX_EXTENDED_LENGTH = 1024 * 1024

/** The longest bitfield taken while the number of pieces is unknown, in bytes: 8 Mi pieces. */
export const MAX_BITFIELD_LENGTH = 1024 * 1024

/** A message that carries nothing but its name. */
export interface SignalMessage {
  readonly type: 'choke' | 'unchoke' | 'interested' | 'notInterested' | 'haveAll' | 'haveNone'
}

/** A message that names a piece. `suggest` and `allowedFast` are of BEP 6. */
export interface PieceIndexMessage {
  readonly type: 'have' | 'suggest' | 'allowedFast'
  readonly piece: number
}

/** A message that names the bytes [begin, begin + length) of a piece. `reject` is of BEP 6. */
export interface BlockRangeMessage {
  readonly type: 'request' | 'cancel' | 'reject'
  readonly piece: number
  readonly begin: number
  readonly length: number
}

/** The pieces a peer has, in wire order. `bytes` belongs to the receiver; its size is checked against the cap only. */
export interface BitfieldMessage {
  readonly type: 'bitfield'
  readonly bytes: Uint8Array
}

/** The UDP port of the peer's DHT node. BEP 5. */
export interface PortMessage {
  readonly type: 'port'
  readonly port: number
}

/** A message of the extension protocol; `id` 0 is its handshake. `payload` belongs to the receiver. BEP 10. */
export interface ExtendedMessage {
  readonly type: 'extended'
  readonly id: number
  readonly payload: Uint8Array
}

/** Every message but `piece` and keep-alive. All numbers are unsigned and as sent: the receiver checks their range. */
export type WireMessage =
  SignalMessage | PieceIndexMessage | BlockRangeMessage | BitfieldMessage | PortMessage | ExtendedMessage

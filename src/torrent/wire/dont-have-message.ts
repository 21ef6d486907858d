/**
 * The message that a piece is gone: the extension `lt_donthave`. BEP 54.
 *
 * Pure. Whether there is such a piece is the receiver's to check.
 */
import { ProtocolError } from './protocol-error.js'

/** The name of the extension in an extension handshake. */
export const DONT_HAVE_EXTENSION = 'lt_donthave'

/** The payload of a message, newly allocated. `piece` is an unsigned 32-bit integer. */
export function encodeDontHave(piece: number): Uint8Array {
  const payload = new Uint8Array(4)
  new DataView(payload.buffer).setUint32(0, piece)
  return payload
}

/** The piece, any unsigned 32-bit integer. @throws ProtocolError when it is not a message of the extension */
export function decodeDontHave(payload: Uint8Array): number {
  if (payload.length !== 4) throw new ProtocolError(`an lt_donthave message of ${payload.length} bytes`)
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0)
}

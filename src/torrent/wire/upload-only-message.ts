/**
 * The message that a peer's wish to download has ended or begun again: the extension `upload_only`, which goes with the
 * field of that name in extension handshakes. BEP 21.
 *
 * Pure.
 */
import { ProtocolError } from './protocol-error.js'

/** The name of the extension in an extension handshake. */
export const UPLOAD_ONLY_EXTENSION = 'upload_only'

/** The payload of a message, newly allocated. */
export function encodeUploadOnly(uploadOnly: boolean): Uint8Array {
  return Uint8Array.of(uploadOnly ? 1 : 0)
}

/** Whether the sender will download nothing. @throws ProtocolError when it is not a message of the extension */
export function decodeUploadOnly(payload: Uint8Array): boolean {
  if (payload.length !== 1) throw new ProtocolError(`an upload_only message of ${payload.length} bytes`)
  return payload[0] !== 0
}

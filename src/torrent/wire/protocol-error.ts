/**
 * The one error every codec of this folder throws. BEP 3.
 *
 * A peer that causes it has broken the protocol: the connection cannot be resynchronised and is closed.
 */
import { TorrentError } from '../errors.js'

/** A peer sent bytes that are not the protocol. Always carries the code `ERR_TORRENTFS_PROTOCOL`. */
export class ProtocolError extends TorrentError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('ERR_TORRENTFS_PROTOCOL', message, options)
    this.name = 'ProtocolError'
  }
}

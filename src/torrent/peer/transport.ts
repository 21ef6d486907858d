/**
 * What carries the bytes of one connection: TCP today. The seam for uTP (BEP 29) and for encryption, which wraps one
 * transport into another.
 *
 * A transport knows nothing of messages. It is open from the start; how it came to be is its maker's business.
 */
import type { TorrentError } from '../errors.js'
import type { PeerAddress } from './address.js'

/** Who hears of a transport. Never called from within a call to the transport. */
export interface TransportReceiver {
  /**
   * Bytes came: [0, length) of `bytes`, valid during this call only, since many connections may share the buffer. The
   * receiver may change them: they are decrypted where they lie. Never called while paused.
   */
  receive(bytes: Uint8Array, length: number): void
  /** Some of the bytes given to `send` left this process. */
  sent(): void
  /** The transport is gone, exactly once and after everything else. `error` is undefined for an orderly end. */
  ended(error: TorrentError | undefined): void
}

/** An open, ordered, reliable stream of bytes to one peer. Begins paused. */
export interface Transport {
  readonly kind: 'tcp' | 'utp'
  readonly address: PeerAddress
  /** True when the peer connected to us. */
  readonly incoming: boolean
  /** Bytes given to `send` that have not left this process. */
  readonly backlog: number
  /** Names the one who hears of it from now on. */
  setReceiver(receiver: TransportReceiver): void
  /**
   * Sends the parts in order, as one write. They are referenced, and must not change, until `backlog` is 0 again. What they
   * hold afterwards is anything: they are encrypted where they lie. So no byte may lie in two of them.
   */
  send(parts: readonly Uint8Array[]): void
  /** Stops receiving, so that the peer is slowed down by its full window. */
  pause(): void
  resume(): void
  /** Ends the connection at once; what is not sent is lost. `ended` follows, with the `error` given. Idempotent. */
  destroy(error?: TorrentError): void
}

/**
 * A transport whose stream goes through RC4: message stream encryption behind its exchange.
 *
 * Owns the two ciphers. Works in place: what is sent is encrypted where it lies, what is received is decrypted in the
 * transport's buffer. Must not interpret a byte.
 */
import type { TorrentError } from '../errors.js'
import type { Rc4 } from '../wire/rc4.js'
import type { PeerAddress } from './address.js'
import type { Transport, TransportReceiver } from './transport.js'

export class EncryptedTransport implements Transport {
  readonly #inner: Transport
  readonly #incoming: Rc4
  readonly #outgoing: Rc4

  /**
   * @param inner - Paused. It belongs to this one from now on.
   * @param incoming - At the first byte that `inner` receives from now on.
   * @param outgoing - At the first byte that is sent from now on.
   */
  constructor(inner: Transport, incoming: Rc4, outgoing: Rc4) {
    this.#inner = inner
    this.#incoming = incoming
    this.#outgoing = outgoing
  }

  get kind(): Transport['kind'] {
    return this.#inner.kind
  }

  get address(): PeerAddress {
    return this.#inner.address
  }

  get incoming(): boolean {
    return this.#inner.incoming
  }

  get backlog(): number {
    return this.#inner.backlog
  }

  setReceiver(receiver: TransportReceiver): void {
    this.#inner.setReceiver({
      receive: (bytes, length) => {
        this.#incoming.apply(bytes, 0, length)
        receiver.receive(bytes, length)
      },
      sent: () => receiver.sent(),
      ended: error => receiver.ended(error),
    })
  }

  send(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.#outgoing.apply(part, 0, part.length)
    this.#inner.send(parts)
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  destroy(error?: TorrentError): void {
    this.#inner.destroy(error)
  }
}

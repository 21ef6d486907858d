/**
 * Our torrents by the hash that encrypted handshakes name them by.
 *
 * Pure. Owns the map: looking up takes the same time however many torrents there are.
 */
import { torrentKey } from '../wire/stream-encryption.js'

export class TorrentKeys {
  readonly #byKey = new Map<string, Uint8Array>()

  /** @param infohash - 20 bytes; kept, and not to be changed. */
  add(infohash: Uint8Array): void {
    this.#byKey.set(textOf(torrentKey(infohash)), infohash)
  }

  remove(infohash: Uint8Array): void {
    this.#byKey.delete(textOf(torrentKey(infohash)))
  }

  /** The infohash, 20 bytes, that a hash stands for; undefined when it is none of ours. */
  find(key: Uint8Array): Uint8Array | undefined {
    return this.#byKey.get(textOf(key))
  }
}

/** 20 characters. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/**
 * Objects whose content is what their names say: each is hashed, whole, before the first byte of it is given out.
 *
 * Owns which version of which object was found right, and a few objects in memory: who reads one range of a piece soon reads
 * the next.
 */
import { webcrypto } from 'node:crypto'
import type { ObjectStore } from './object-store.js'

export class CheckedObjects {
  readonly #store: ObjectStore
  readonly #mostBytes: number
  /** Versions that were found right, by name. */
  readonly #versions = new Map<string, string>()
  /** Found right a moment ago, the oldest first. */
  readonly #recent = new Map<string, Uint8Array>()
  readonly #fetching = new Map<string, Promise<Uint8Array | undefined>>()
  #recentBytes = 0
  /** Of which a part was read last. */
  #lastPart = ''

  /** @param mostBytes of objects in memory; the one that was read last is always kept */
  constructor(store: ObjectStore, mostBytes: number) {
    this.#store = store
    this.#mostBytes = mostBytes
  }

  /**
   * Copies a part of an object.
   *
   * @param size bytes of the whole object
   * @returns false when there is no such object, or its content is not what its name says: it is removed then
   */
  async read(name: string, size: number, begin: number, target: Uint8Array): Promise<boolean> {
    if (begin + target.length > size) return false
    const kept = this.#recent.get(name)
    if (kept !== undefined) {
      target.set(kept.subarray(begin, begin + target.length))
      return true
    }
    const version = this.#versions.get(name)
    // Who reads a second part in a row will read the others too.
    const again = this.#store.far && this.#lastPart === name
    if (version !== undefined && !again && !this.#fetching.has(name)) {
      this.#lastPart = name
      if (await this.#store.read(name, begin, target, version)) return true
      // Another one by now.
      this.#versions.delete(name)
    }
    const bytes = await this.#fetch(name, size)
    if (bytes === undefined) return false
    target.set(bytes.subarray(begin, begin + target.length))
    return true
  }

  /** Puts an object whose content was checked. */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#forget(name)
    this.#versions.set(name, await this.#store.put(name, bytes))
  }

  async remove(name: string): Promise<void> {
    this.#forget(name)
    await this.#store.remove(name)
  }

  #forget(name: string): void {
    this.#versions.delete(name)
    this.#recentBytes -= this.#recent.get(name)?.length ?? 0
    this.#recent.delete(name)
  }

  /** However many ask at a time, it is fetched once. */
  #fetch(name: string, size: number): Promise<Uint8Array | undefined> {
    let fetching = this.#fetching.get(name)
    if (fetching === undefined) {
      fetching = this.#fetchNow(name, size).finally(() => this.#fetching.delete(name))
      this.#fetching.set(name, fetching)
    }
    return fetching
  }

  async #fetchNow(name: string, size: number): Promise<Uint8Array | undefined> {
    const found = await this.#store.get(name, size)
    if (found === undefined) return undefined
    if ((await hashOf(found.bytes)) !== name) {
      await this.#store.remove(name)
      return undefined
    }
    this.#forget(name)
    this.#versions.set(name, found.version)
    this.#recent.set(name, found.bytes)
    this.#recentBytes += size
    for (const [oldest, { length }] of this.#recent) {
      if (this.#recentBytes <= this.#mostBytes || oldest === name) break
      this.#recent.delete(oldest)
      this.#recentBytes -= length
    }
    return found.bytes
  }
}

/** SHA-1 as hexadecimal digits, computed in another thread. */
export async function hashOf(bytes: Uint8Array): Promise<string> {
  // It does not take shared memory.
  const own = bytes.buffer instanceof SharedArrayBuffer ? bytes.slice() : bytes
  return Buffer.from(await webcrypto.subtle.digest('SHA-1', own)).toString('hex')
}

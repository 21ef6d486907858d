/**
 * A file of infohashes, one a line, that is read again when it changes.
 *
 * Owns the last good reading: a file that makes no sense any more changes nothing.
 */

import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { messageOf } from '../../torrent/entries/tracker.js'
import { parseInfohash } from './swarm-target.js'

/** How often the file is looked at, ms. */
const LOOK_MS = 1000
/** More than a list of all torrents there are. */
const MAX_BYTES = 256 * 1024 * 1024

/** The torrents that a tracker serves. */
export class Whitelist {
  readonly #path: string
  #infohashes: ReadonlySet<string>

  private constructor(path: string, infohashes: ReadonlySet<string>) {
    this.#path = path
    this.#infohashes = infohashes
  }

  /** @throws Error naming the file, and the line that is no infohash */
  static async read(path: string): Promise<Whitelist> {
    return new Whitelist(path, await infohashesOf(path))
  }

  has(infohash: string): boolean {
    return this.#infohashes.has(infohash)
  }

  /** Reads the file again whenever it changes, until closed. */
  follow(o: { readonly changed: (count: number) => void; readonly failed: (why: string) => void }): void {
    watchFile(this.#path, { interval: LOOK_MS }, () => {
      infohashesOf(this.#path).then(
        infohashes => {
          this.#infohashes = infohashes
          o.changed(infohashes.size)
        },
        (error: unknown) => o.failed(`${messageOf(error)}; what was read before stays`),
      )
    })
  }

  /** Idempotent. */
  close(): void {
    unwatchFile(this.#path)
  }
}

async function infohashesOf(path: string): Promise<Set<string>> {
  let text: string
  try {
    const bytes = await readFile(path)
    if (bytes.length > MAX_BYTES) throw new Error(`${bytes.length} bytes are too many`)
    text = bytes.toString('utf8')
  } catch (error) {
    throw new Error(`cannot read the whitelist ${path}: ${messageOf(error)}`, { cause: error })
  }
  const infohashes = new Set<string>()
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.replace(/#.*/, '').trim()
    if (word === '') continue
    try {
      infohashes.add(parseInfohash(word))
    } catch (error) {
      throw new Error(`${path}, line ${index + 1}: ${messageOf(error)}`, { cause: error })
    }
  }
  return infohashes
}

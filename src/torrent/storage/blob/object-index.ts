/**
 * Which objects a place has, as far as is known: each group is listed when it is first asked for, and then kept up to date.
 *
 * Owns that knowledge. What others put there or take away afterwards is found out when it is read.
 */
import type { ObjectStore } from './object-store.js'

/** Of an object whose size the place did not tell. */
const UNKNOWN = -1

export class ObjectIndex {
  readonly #store: ObjectStore
  /** By group: names as 20 characters of one byte each, with sizes. */
  readonly #groups = new Map<string, Map<string, number>>()
  readonly #listing = new Map<string, Promise<void>>()

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** Lists the groups that are not known yet; call before {@link has}. @throws what the store throws */
  async know(groups: Iterable<string>): Promise<void> {
    const wanted = [...new Set(groups)].filter(group => !this.#groups.has(group))
    await inParallel(wanted, group => {
      let listing = this.#listing.get(group)
      if (listing === undefined) {
        listing = this.#list(group).finally(() => this.#listing.delete(group))
        this.#listing.set(group, listing)
      }
      return listing
    })
  }

  /** Whether there is such an object of that size, as far as is known. */
  has(name: string, size: number): boolean {
    const found = this.#groups.get(name.slice(0, 2))?.get(short(name))
    return found === size || found === UNKNOWN
  }

  add(name: string, size: number): void {
    this.#groups.get(name.slice(0, 2))?.set(short(name), size)
  }

  delete(name: string): void {
    this.#groups.get(name.slice(0, 2))?.delete(short(name))
  }

  async #list(group: string): Promise<void> {
    const found = await this.#store.list(group)
    if (this.#groups.has(group)) return
    this.#groups.set(group, new Map([...found].map(([name, size]) => [short(name), size ?? UNKNOWN])))
  }
}

/** Half the memory of the digits. */
function short(name: string): string {
  return Buffer.from(name, 'hex').toString('latin1')
}

/** Does something to each of many, a few at a time; ends with the first failure. */
export async function inParallel<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  const lane = async (): Promise<void> => {
    for (const item of rest) await action(item)
  }
  await Promise.all(Array.from({ length: Math.min(16, items.length) }, lane))
}

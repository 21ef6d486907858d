/**
 * The one network interface that may be used, when the user names one: its addresses now, and when they change.
 *
 * Owns a look at the system's interfaces once a second. Must not open a socket. While the interface has no address of a
 * family nothing of that family may go out: that is for who asks, and gets undefined.
 */
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** An address of an interface. */
interface InterfaceAddress {
  readonly address: string
  readonly family: string
}
/** By family. */
interface OwnAddresses {
  readonly 4: string | undefined
  readonly 6: string | undefined
}
type Interfaces = Readonly<Record<string, readonly InterfaceAddress[] | undefined>>

export interface BoundInterfaceOptions {
  /** The name of an interface, or one of its addresses. */
  readonly name: string
  /** What interfaces there are; the system's by default. */
  readonly interfaces?: () => Interfaces
  /** Between two looks, ms. */
  readonly everyMs?: number
}

const EVERY_MS = 1000

export class BoundInterface {
  readonly name: string
  readonly #interfaces: () => Interfaces
  readonly #listeners = new Set<() => void>()
  readonly #timer: NodeJS.Timeout
  #addresses: OwnAddresses = { 4: undefined, 6: undefined }

  constructor(o: BoundInterfaceOptions) {
    this.name = o.name
    this.#interfaces = o.interfaces ?? networkInterfaces
    this.#addresses = this.#find()
    this.#timer = setInterval(() => this.look(), o.everyMs ?? EVERY_MS)
    this.#timer.unref()
  }

  /** Its address of a family, as last seen; undefined when it has none. */
  address(family: 4 | 6): string | undefined {
    return this.#addresses[family]
  }

  /** Whether it has any address. */
  get up(): boolean {
    return this.#addresses[4] !== undefined || this.#addresses[6] !== undefined
  }

  /** Calls back after each change of its addresses. @returns a function that ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Looks now. */
  look(): void {
    const before = this.#addresses
    const now = this.#find()
    if (before[4] === now[4] && before[6] === now[6]) return
    this.#addresses = now
    for (const listener of [...this.#listeners]) listener()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#listeners.clear()
  }

  #find(): OwnAddresses {
    const interfaces = this.#interfaces()
    const family = isIP(this.name)
    if (family !== 0) {
      const has = Object.values(interfaces).some(all => all?.some(({ address }) => address === this.name))
      const own = has ? this.name : undefined
      return { 4: family === 4 ? own : undefined, 6: family === 6 ? own : undefined }
    }
    const all = Object.hasOwn(interfaces, this.name) ? (interfaces[this.name] ?? []) : []
    const choose = (wanted: 'IPv4' | 'IPv6', kept: string | undefined): string | undefined => {
      // A link-local address reaches nobody beyond the next router.
      const usable = all.filter(({ address, family }) => family === wanted && !/^fe[89ab]/i.test(address))
      return (usable.find(({ address }) => address === kept) ?? usable[0])?.address
    }
    return { 4: choose('IPv4', this.#addresses[4]), 6: choose('IPv6', this.#addresses[6]) }
  }
}

/**
 * The known addresses of one torrent, and whom to call next. BEP 3, 40.
 *
 * Pure: no clock, no socket, no randomness; times come in as arguments, in ms of any one clock. Must stay small however
 * many addresses trackers and peers make up.
 */
import { formatAddress, toPeerAddress, type HostPort, type PeerAddress } from './address.js'
import { canonicalPriority } from './canonical-priority.js'

/** Who told of an address. */
export type AddressSource = 'pinned' | 'magnet' | 'tracker' | 'dht' | 'pex' | 'lsd' | 'incoming'

export interface AddressBookOptions {
  /** How many addresses to keep, the pinned ones not counted. Default: 1,000. */
  readonly capacity?: number
  /** When to call a pinned address again, in ms. Default: 10,000. */
  readonly pinnedRetryMs?: number
}

interface Entry {
  readonly key: string
  readonly address: PeerAddress
  source: AddressSource
  pinned: boolean
  state: 'idle' | 'calling' | 'connected'
  /** Attempts in a row that came to nothing. */
  failures: number
  /** Not to be called before. */
  notBefore: number
  /** BEP 40. 0 while our own address is not known. */
  priority: number
}

const CAPACITY = 1000
const PINNED_RETRY_MS = 10_000
const FIRST_RETRY_MS = 5_000
const LONGEST_RETRY_MS = 15 * 60_000
/** A good peer that went away may have restarted, and a reader may be waiting for it. */
const USEFUL_RETRY_MS = 2_000
const MAX_FAILURES = 6
const MAX_BANS = 4096
const HOST_NAME = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_.])?$/

/** How much the word of a source is worth, where nothing better tells two addresses apart. */
const SOURCE_RANK: Record<AddressSource, number> = {
  pinned: 0,
  magnet: 1,
  lsd: 2,
  tracker: 3,
  incoming: 4,
  dht: 5,
  pex: 6,
}

/** Addresses, their history, and bans. An address is reported back as {@link next} gave it. */
export class AddressBook {
  readonly #entries = new Map<string, Entry>()
  readonly #banned = new Set<string>()
  readonly #capacity: number
  readonly #pinnedRetryMs: number
  #pinnedCount = 0
  #own: PeerAddress | undefined

  constructor(options?: AddressBookOptions) {
    this.#capacity = options?.capacity ?? CAPACITY
    this.#pinnedRetryMs = options?.pinnedRetryMs ?? PINNED_RETRY_MS
  }

  /** How many addresses are known. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * Learns of an address. A pinned one is called again for ever and never forgotten.
   *
   * @returns Whether it is new. False, too, for what cannot be an address of a peer, is banned, or finds no room.
   */
  add(given: HostPort, source: AddressSource): boolean {
    const address = toPeerAddress(given)
    if (!isCallable(address) || this.isBanned(address)) return false
    const key = formatAddress(address)
    const pinned = source === 'pinned'
    const known = this.#entries.get(key)
    if (known !== undefined) {
      if (SOURCE_RANK[source] < SOURCE_RANK[known.source]) known.source = source
      if (pinned && !known.pinned) {
        known.pinned = true
        known.notBefore = Math.min(known.notBefore, 0)
        this.#pinnedCount++
      }
      return false
    }
    if (!pinned && this.#entries.size - this.#pinnedCount >= this.#capacity && !this.#evict()) return false
    const priority = this.#priorityOf(address)
    this.#entries.set(key, {
      key,
      address,
      source,
      pinned,
      state: 'idle',
      failures: 0,
      notBefore: 0,
      priority,
    })
    if (pinned) this.#pinnedCount++
    return true
  }

  /** Who told of an address; of one that is not known any more, nobody knows: `incoming`. */
  sourceOf(address: HostPort): AddressSource {
    return this.#find(address)?.source ?? 'incoming'
  }

  /** Tells our own address as others see it: it ranks addresses, and is never called. */
  setOwn(own: HostPort): void {
    this.#own = toPeerAddress(own)
    for (const entry of this.#entries.values()) entry.priority = this.#priorityOf(entry.address)
  }

  /** Whether this is the address {@link setOwn} told. */
  isOwn(address: HostPort): boolean {
    return this.#own !== undefined && formatAddress(toPeerAddress(address)) === formatAddress(this.#own)
  }

  /**
   * The best address to call now, undefined when there is none. It is not given again until it was reported
   * {@link failed} or {@link closed}.
   */
  next(now: number): PeerAddress | undefined {
    let best: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (!this.#isCandidate(entry) || entry.notBefore > now) continue
      if (best === undefined || isBetter(entry, best)) best = entry
    }
    if (best === undefined) return undefined
    best.state = 'calling'
    return best.address
  }

  /**
   * Gives one address to call now, known or not, whenever it was to be called next. To be reported back as
   * {@link next} says. Undefined when it is no address of a peer, is banned, our own, called already or connected.
   */
  take(given: HostPort, source: AddressSource): PeerAddress | undefined {
    this.add(given, source)
    const entry = this.#find(given)
    if (entry === undefined || !this.#isCandidate(entry)) return undefined
    entry.state = 'calling'
    return entry.address
  }

  /** The earliest time at which {@link next} has something to give; undefined when waiting alone brings nothing. */
  nextAt(): number | undefined {
    let earliest: number | undefined
    for (const entry of this.#entries.values()) {
      if (this.#isCandidate(entry) && (earliest === undefined || entry.notBefore < earliest)) {
        earliest = entry.notBefore
      }
    }
    return earliest
  }

  /** An attempt succeeded, or the peer at this address connected to us: do not call it. */
  connected(address: HostPort): void {
    const entry = this.#find(address)
    if (entry !== undefined) entry.state = 'connected'
  }

  /**
   * An attempt failed.
   *
   * @param hopeless - Trying again will not help: another torrent, ourselves, no peer at all.
   */
  failed(address: HostPort, now: number, hopeless = false): void {
    const entry = this.#find(address)
    if (entry === undefined) return
    this.#retryLater(entry, now, hopeless)
  }

  /**
   * A connection to the address ended.
   *
   * @param useful - Whether it was worth having: payload was exchanged.
   */
  closed(address: HostPort, now: number, useful: boolean): void {
    const entry = this.#find(address)
    if (entry === undefined) return
    if (!useful) {
      this.#retryLater(entry, now, false)
      return
    }
    entry.state = 'idle'
    entry.failures = 0
    entry.notBefore = now + USEFUL_RETRY_MS
  }

  /**
   * Never gives, nor learns, any address of this host again; on loopback, where all that is tunnelled meets, this
   * address alone. Of bans, the oldest are forgotten beyond 4,096.
   */
  ban(address: HostPort): void {
    const banned = banKey(address)
    this.#banned.add(banned)
    if (this.#banned.size > MAX_BANS) {
      for (const oldest of this.#banned) {
        this.#banned.delete(oldest)
        break
      }
    }
    for (const entry of this.#entries.values()) {
      if (banKey(entry.address) === banned && !entry.pinned) this.#entries.delete(entry.key)
    }
  }

  isPinned(address: HostPort): boolean {
    return this.#find(address)?.pinned === true
  }

  isBanned(address: HostPort): boolean {
    return this.#banned.has(banKey(address))
  }

  #find(address: HostPort): Entry | undefined {
    return this.#entries.get(formatAddress(toPeerAddress(address)))
  }

  #isCandidate(entry: Entry): boolean {
    if (entry.state !== 'idle' || this.isBanned(entry.address)) return false
    return !this.isOwn(entry.address)
  }

  #retryLater(entry: Entry, now: number, hopeless: boolean): void {
    entry.state = 'idle'
    entry.failures++
    if (entry.pinned) {
      entry.notBefore = now + this.#pinnedRetryMs
    } else if (hopeless) {
      // Kept, since the tracker that named it will name it again.
      entry.failures = MAX_FAILURES
      entry.notBefore = now + LONGEST_RETRY_MS
    } else if (entry.failures > MAX_FAILURES) {
      this.#entries.delete(entry.key)
    } else {
      entry.notBefore = now + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (entry.failures - 1))
    }
  }

  /** Forgets the address that failed most. One that never failed is not given up for one nobody has tried. */
  #evict(): boolean {
    let worst: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.pinned || entry.state !== 'idle' || entry.failures === 0) continue
      if (worst === undefined || entry.failures > worst.failures) worst = entry
    }
    return worst !== undefined && this.#entries.delete(worst.key)
  }

  #priorityOf(address: PeerAddress): number {
    return this.#own === undefined ? 0 : (canonicalPriority(this.#own, address) ?? 0)
  }
}

/** What a ban of this address bans. */
function banKey(given: HostPort): string {
  const address = toPeerAddress(given)
  const loopback = address.host.startsWith('127.') || address.host === '::1'
  return loopback ? formatAddress(address) : address.host
}

function isBetter(a: Entry, b: Entry): boolean {
  if (a.pinned !== b.pinned) return a.pinned
  if (a.failures !== b.failures) return a.failures < b.failures
  if (a.priority !== b.priority) return a.priority > b.priority
  return SOURCE_RANK[a.source] < SOURCE_RANK[b.source]
}

/** Whether a peer may be there: no port 0, nobody's, everybody's or a group's address, no nonsense for a name. */
function isCallable({ host, port, family }: PeerAddress): boolean {
  if (!Number.isInteger(port) || port < 1 || port > 65535) return false
  if (family === 4) {
    const first = Number.parseInt(host, 10)
    return first > 0 && first < 224
  }
  if (family === 6) return host !== '::' && !host.startsWith('ff')
  return HOST_NAME.test(host)
}

/**
 * Host names of trackers and web seeds to addresses: cached, coalesced, few at once.
 *
 * Owns the cache and the bound on concurrent lookups: `getaddrinfo` occupies a thread of the pool that the file system
 * calls share, and a dead name server holds it for tens of seconds.
 */
import { lookup as systemLookup } from 'node:dns'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { messageOf, TorrentError, type TorrentErrorCode } from '../errors.js'
import { ExpiringMap } from './expiring-map.js'
import { canonicalIp, isLoopback } from './ip-address.js'

/** An address of a host: a canonical IP literal. */
export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Looks a name up: every address it has, in the system's order. */
export type LookupHost = (host: string) => Promise<readonly { address: string; family: number }[]>

const CONCURRENT_LOOKUPS = 2
const MAX_HOSTS = 2000
const MAX_ADDRESSES_OF_HOST = 8
const LIFETIME_MS = 5 * 60_000
const FAILURE_LIFETIME_MS = 15_000
const INTERFACES_LIFETIME_MS = 30_000

interface Known {
  readonly addresses: readonly ResolvedAddress[]
  readonly error?: TorrentError
}

/** Resolves host names. Holds no resource: there is nothing to close. */
export class HostResolver {
  readonly #lookup: LookupHost
  readonly #code: TorrentErrorCode
  readonly #known = new ExpiringMap<string, Known>(MAX_HOSTS)
  readonly #underWay = new Map<string, Promise<readonly ResolvedAddress[]>>()
  readonly #queue: (() => void)[] = []
  #running = 0
  #ipv6 = { usable: false, checkedAt: -Infinity }

  /**
   * @param lookup the system's unless given
   * @param code of the error when a name cannot be resolved
   */
  constructor(lookup: LookupHost = lookupBySystem, code: TorrentErrorCode = 'ERR_TORRENTFS_TRACKER') {
    this.#lookup = lookup
    this.#code = code
  }

  /**
   * The addresses of a host that this machine may reach, at least one; an IP literal is its own. IPv6 ones are left out
   * while no interface has a global IPv6 address, unless there is nothing else.
   *
   * @throws the resolver's code when the name cannot be resolved (remembered for 15 s)
   */
  async resolve(host: string): Promise<readonly ResolvedAddress[]> {
    if (isIP(host) !== 0) return [resolved(host)].filter(address => address !== undefined)
    const known = this.#known.get(host, performance.now())
    if (known?.error !== undefined) throw known.error
    const addresses = known?.addresses ?? (await this.#coalesced(host))
    const reachable = addresses.filter(
      ({ address, family }) => family === 4 || isLoopback(address) || this.#hasGlobalIpv6(),
    )
    return reachable.length > 0 ? reachable : addresses
  }

  #coalesced(host: string): Promise<readonly ResolvedAddress[]> {
    let pending = this.#underWay.get(host)
    if (pending === undefined) {
      pending = this.#look(host).finally(() => this.#underWay.delete(host))
      this.#underWay.set(host, pending)
    }
    return pending
  }

  async #look(host: string): Promise<readonly ResolvedAddress[]> {
    if (this.#running >= CONCURRENT_LOOKUPS) await new Promise<void>(resolve => this.#queue.push(resolve))
    this.#running++
    try {
      const found = await this.#lookup(host)
      const addresses = found.map(({ address }) => resolved(address)).filter(address => address !== undefined)
      if (addresses.length === 0) throw new Error('no address')
      const kept = addresses.slice(0, MAX_ADDRESSES_OF_HOST)
      this.#known.set(host, { addresses: kept }, performance.now() + LIFETIME_MS)
      return kept
    } catch (cause) {
      const error = new TorrentError(this.#code, `cannot resolve ${host}: ${messageOf(cause)}`, { cause })
      this.#known.set(host, { addresses: [], error }, performance.now() + FAILURE_LIFETIME_MS)
      throw error
    } finally {
      this.#running--
      this.#queue.shift()?.()
    }
  }

  #hasGlobalIpv6(): boolean {
    const now = performance.now()
    if (now - this.#ipv6.checkedAt > INTERFACES_LIFETIME_MS) {
      const usable = Object.values(networkInterfaces()).some(addresses =>
        addresses?.some(({ family, internal, address }) => {
          return family === 'IPv6' && !internal && !/^fe[89ab]/i.test(address)
        }),
      )
      this.#ipv6 = { usable, checkedAt: now }
    }
    return this.#ipv6.usable
  }
}

function resolved(address: string): ResolvedAddress | undefined {
  const canonical = canonicalIp(address)
  return canonical === undefined ? undefined : { address: canonical, family: canonical.includes(':') ? 6 : 4 }
}

function lookupBySystem(host: string): Promise<readonly { address: string; family: number }[]> {
  return new Promise((resolve, reject) => {
    systemLookup(host, { all: true }, (error, addresses) =>
      error === null ? resolve(addresses) : reject(error),
    )
  })
}

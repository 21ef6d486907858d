/**
 * Has the router let peers in: finds one that does by NAT-PMP or UPnP, keeps our port mapped, and takes it back at the end.
 *
 * Owns the mapping from `start` to `stop`, in the background: it delays nobody and never fails anybody. How routers are
 * spoken to is the gateways' business.
 */
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'

export type TransportProtocol = 'TCP' | 'UDP'

/** What a router gave. */
export interface MappedPort {
  /** The port it is at, from outside. */
  readonly external: number
  /** For how long, in s; 0 for ever. */
  readonly lifetimeS: number
}

/** A router that maps ports. Each question ends in time, or when the signal is aborted. */
export interface PortGateway {
  readonly kind: 'UPnP' | 'NAT-PMP'
  externalAddress(signal: AbortSignal): Promise<string | undefined>
  /** Maps `external`, or another port that the router prefers, to our `port`, for up to `lifetimeS` seconds. */
  map(
    protocol: TransportProtocol,
    port: number,
    external: number,
    lifetimeS: number,
    signal: AbortSignal,
  ): Promise<MappedPort>
  unmap(protocol: TransportProtocol, port: number, external: number, signal: AbortSignal): Promise<void>
}

/** The mapping in force, plain data. */
export interface PortMappingStatus {
  readonly by: PortGateway['kind']
  /** The router's address outside, if it says. */
  readonly address: string | undefined
  /** The ports outside; undefined for what is not mapped. */
  readonly tcp: number | undefined
  readonly udp: number | undefined
}

export interface PortMappingOptions {
  readonly port: number
  readonly protocols: readonly TransportProtocol[]
  /** Finds a router; undefined when there is none. */
  readonly find: (signal: AbortSignal) => Promise<PortGateway | undefined>
  readonly logger: Logger
  /** How long a mapping is asked for, s. Default: an hour. It is renewed at half of that. */
  readonly lifetimeS?: number
  /** After a failure, ms. Default: 10 minutes. */
  readonly retryMs?: number
  /** How long taking it back may take, ms. Default: 1 s. */
  readonly stopMs?: number
}

const LIFETIME_S = 3600
/** A router that gives less is asked no more often. */
const SHORTEST_RENEWAL_MS = 30_000
const RETRY_MS = 10 * 60_000
const STOP_MS = 1000
const LONGEST_TIMER_MS = 2 ** 31 - 1

export class PortMapping {
  readonly #o: PortMappingOptions
  readonly #lifetime = new AbortController()
  readonly #mapped = new Map<TransportProtocol, MappedPort>()
  #gateway: PortGateway | undefined
  #address: string | undefined
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined
  #told = ''

  constructor(o: PortMappingOptions) {
    this.#o = o
  }

  /** Undefined while nothing is mapped. */
  get status(): PortMappingStatus | undefined {
    if (this.#gateway === undefined || this.#mapped.size === 0) return undefined
    return {
      by: this.#gateway.kind,
      address: this.#address,
      tcp: this.#mapped.get('TCP')?.external,
      udp: this.#mapped.get('UDP')?.external,
    }
  }

  /** Begins; once. */
  start(): void {
    this.#working = this.#keep()
  }

  /** Takes the mapping back, and ends; in a second at most. Never rejects. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  /** Maps what is to be mapped, again each time it is due. Never rejects. */
  async #keep(): Promise<void> {
    const { signal } = this.#lifetime
    let waitMs = this.#o.retryMs ?? RETRY_MS
    try {
      this.#gateway ??= await this.#o.find(signal)
      const gateway = this.#gateway
      if (gateway === undefined) this.#o.logger.debug({}, 'no router here maps ports')
      else {
        waitMs = await this.#mapAll(gateway, signal)
        this.#address = await gateway.externalAddress(signal).catch(() => undefined)
        this.#tell()
      }
    } catch (error) {
      // Perhaps another router by now: it is looked for anew.
      if (!signal.aborted) this.#gateway = undefined
      this.#o.logger.debug({}, `the router does not map our port: ${messageOf(error)}`)
    }
    if (signal.aborted) return
    const again = (): void => {
      this.#working = this.#keep()
    }
    this.#timer = setTimeout(again, Math.min(waitMs, LONGEST_TIMER_MS))
    this.#timer.unref()
  }

  /** @returns in how many ms to do it again */
  async #mapAll(gateway: PortGateway, signal: AbortSignal): Promise<number> {
    const { port, protocols, lifetimeS = LIFETIME_S } = this.#o
    let shortestS = lifetimeS
    let failure: unknown
    // TCP first, and UDP at the same number outside if that can be had.
    let wanted = port
    for (const protocol of protocols) {
      if (signal.aborted) break
      const external = this.#mapped.get(protocol)?.external ?? wanted
      try {
        const mapped = await gateway.map(protocol, port, external, lifetimeS, signal)
        this.#mapped.set(protocol, mapped)
        wanted = mapped.external
        if (mapped.lifetimeS > 0) shortestS = Math.min(shortestS, mapped.lifetimeS)
      } catch (error) {
        failure = error
        // Aborted: the router may have done it all the same, so it is taken back with the rest.
        if (signal.aborted) this.#mapped.set(protocol, { external, lifetimeS })
        else this.#mapped.delete(protocol)
      }
    }
    if (this.#mapped.size === 0) throw failure
    return Math.max(SHORTEST_RENEWAL_MS, (shortestS * 1000) / 2)
  }

  #tell(): void {
    const { status } = this
    if (status === undefined) return
    const { by, address, tcp, udp } = status
    const ports =
      tcp === udp
        ? `${tcp} (TCP and UDP)`
        : [tcp && `${tcp} (TCP)`, udp && `${udp} (UDP)`].filter(Boolean).join(', ')
    const text = `the router lets peers in at ${address ?? 'its address'}, port ${ports}, by ${by}`
    if (text === this.#told) return
    this.#told = text
    this.#o.logger.info({}, text)
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#lifetime.abort()
    const end = new AbortController()
    const timer = setTimeout(() => end.abort(), this.#o.stopMs ?? STOP_MS)
    await this.#working
    const gateway = this.#gateway
    if (gateway !== undefined) {
      await Promise.all(
        [...this.#mapped].map(async ([protocol, { external }]) => {
          try {
            await gateway.unmap(protocol, this.#o.port, external, end.signal)
          } catch (error) {
            this.#o.logger.debug({}, `the router still maps ${protocol} ${external}: ${messageOf(error)}`)
          }
        }),
      )
    }
    this.#mapped.clear()
    clearTimeout(timer)
  }
}

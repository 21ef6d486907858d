/**
 * A network of DHT nodes on a virtual clock: datagrams take their time, are lost, and come from addresses of the world. Everything
 * that is left to chance comes from a seed.
 */
import { DhtNode } from '../../../../src/torrent/discovery/dht/dht-node.js'
import type { HostPort } from '../../../../src/torrent/metainfo/addresses.js'

/** A number in [0, 1) for each call, the same ones for the same seed (mulberry32). */
export function chanceOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Random bytes of such numbers. */
export function bytesOf(chance: () => number): (count: number) => Uint8Array {
  return count => Uint8Array.from({ length: count }, () => Math.floor(chance() * 256))
}

export interface VirtualOptions {
  readonly seed: number
  /** Of datagrams, [0, 1). Default: none. */
  readonly lost?: number
  /** One way, ms. Default: 10 to 100. */
  readonly delay?: readonly [least: number, most: number]
}

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export interface Host {
  readonly address: HostPort
  readonly node: DhtNode
  alive: boolean
  /** Datagrams it sent. */
  sent: number
  wakeAt: number
}

export class VirtualNetwork {
  readonly chance: () => number
  readonly hosts: Host[] = []
  now = 0
  /** Sees every datagram when it is sent. */
  onDatagram: ((bytes: Uint8Array, from: HostPort, to: HostPort) => void) | undefined
  readonly #byWhere = new Map<string, Host>()
  readonly #lost: number
  readonly #delay: readonly [number, number]
  readonly #events: Event[] = []
  #order = 0

  constructor({ seed, lost = 0, delay = [10, 100] }: VirtualOptions) {
    this.chance = chanceOf(seed)
    this.#lost = lost
    this.#delay = delay
  }

  /** Adds a node at an address of its own: of the world, unless another is given. */
  add(address?: HostPort, id?: Uint8Array): Host {
    const number = this.hosts.length
    const where = address ?? { host: `${20 + (number >> 8)}.${number & 255}.7.9`, port: 6881 }
    const random = bytesOf(this.chance)
    const host: Host = {
      address: where,
      alive: true,
      sent: 0,
      wakeAt: Infinity,
      node: new DhtNode(
        {
          family: where.host.includes(':') ? 6 : 4,
          ...(id === undefined ? {} : { id }),
          random,
          send: (bytes, to) => {
            host.sent++
            this.send(bytes, where, to)
          },
        },
        this.now,
      ),
    }
    this.hosts.push(host)
    this.#byWhere.set(keyOf(where), host)
    return host
  }

  /** Sends a datagram as if from an address. */
  send(bytes: Uint8Array, from: HostPort, to: HostPort): void {
    this.onDatagram?.(bytes, from, to)
    if (this.chance() < this.#lost) return
    const [least, most] = this.#delay
    this.at(this.now + least + this.chance() * (most - least), () => {
      const host = this.#byWhere.get(keyOf(to))
      if (host?.alive !== true) return
      host.node.receive(bytes, from, this.now)
      this.arm(host)
    })
  }

  /** Sees to it that a node is woken when it wants. To be called after anything was asked of it. */
  arm(host: Host): void {
    const wakeAt = host.node.wakeAt(this.now)
    if (wakeAt >= host.wakeAt || wakeAt === Infinity) return
    host.wakeAt = wakeAt
    this.at(wakeAt, () => {
      if (host.wakeAt !== wakeAt) return
      host.wakeAt = Infinity
      if (!host.alive) return
      host.node.tick(this.now)
      this.arm(host)
    })
  }

  at(time: number, run: () => void): void {
    const event = { at: Math.max(time, this.now), order: this.#order++, run }
    const events = this.#events
    let index = events.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(event, events[parent]!)) break
      events[index] = events[parent]!
      index = parent
    }
    events[index] = event
  }

  /** Lets the clock run until nothing happens before `until`. */
  run(until: number): void {
    for (;;) {
      const first = this.#events[0]
      if (first === undefined || first.at > until) break
      this.#take()
      this.now = first.at
      first.run()
    }
    this.now = until
  }

  /** Lets the clock run for so many ms. */
  pass(ms: number): void {
    this.run(this.now + ms)
  }

  #take(): void {
    const events = this.#events
    const last = events.pop()!
    if (events.length === 0) return
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      if (child >= events.length) break
      if (child + 1 < events.length && isBefore(events[child + 1]!, events[child]!)) child++
      if (!isBefore(events[child]!, last)) break
      events[index] = events[child]!
      index = child
    }
    events[index] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function keyOf({ host, port }: HostPort): string {
  return `${host} ${port}`
}

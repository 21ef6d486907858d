/**
 * A multicast group on every network this machine is on: hears what is sent to it, and sends to it.
 *
 * Owns the sockets: one for each family to hear, one for each interface to send. Must not interpret a byte.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'

import type { HostPort } from '../metainfo/addresses.js'

/** Interfaces come and go, and switches forget who listens: memberships are looked after this often, in ms. */
const REFRESH_MS = 30_000
/** A machine with hundreds of addresses (containers) would otherwise send hundreds of copies. */
const MAX_INTERFACES = 32

export interface MulticastGroupOptions {
  readonly port: number
  readonly group4: string
  readonly group6: string
  /** Whether to take part with this address of this machine. */
  readonly usable: (address: string) => boolean
  /** Hears of a datagram; `from.host` of a link-local sender carries its zone. */
  readonly heard: (bytes: Uint8Array, from: HostPort) => void
  /** Told when one family cannot be heard. */
  readonly failed?: (reason: string) => void
}

interface Place {
  readonly family: 4 | 6
  /** What the system knows the interface by: its IPv4 address, or `::%name`. */
  readonly interface: string
  /** The address to send from; undefined for whichever fits. */
  readonly address: string | undefined
}

interface Sender {
  readonly place: Place
  readonly socket: Socket
  ready: boolean
}

export class MulticastGroup {
  readonly #o: MulticastGroupOptions
  readonly #receivers = new Map<4 | 6, Socket>()
  readonly #senders = new Map<string, Sender>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: MulticastGroupOptions) {
    this.#o = options
  }

  /** Begins to hear and to be able to send. A family the machine lacks is left out. */
  open(): void {
    for (const family of [4, 6] as const) this.#openReceiver(family)
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS)
    this.#timer.unref()
  }

  /** Interfaces it can send on by now, counted for each family. */
  get interfaces(): number {
    let ready = 0
    for (const sender of this.#senders.values()) if (sender.ready) ready++
    return ready
  }

  /** Sends to the group on every interface, or loses it. @param make - the bytes for a group given as `host:port` */
  send(make: (group: string) => Uint8Array): void {
    const { port, group4, group6 } = this.#o
    for (const { place, socket, ready } of this.#senders.values()) {
      const group = place.family === 4 ? group4 : group6
      const name = place.family === 4 ? `${group4}:${port}` : `[${group6}]:${port}`
      if (ready) socket.send(make(name), port, group, () => {})
    }
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    for (const socket of this.#receivers.values()) socket.close()
    for (const { socket } of this.#senders.values()) socket.close()
    this.#receivers.clear()
    this.#senders.clear()
  }

  #openReceiver(family: 4 | 6): void {
    // Others on this machine hear the same group at the same port.
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      reuseAddr: true,
      ipv6Only: family === 6,
    })
    socket.on('message', (bytes: Uint8Array, from: RemoteInfo) => {
      this.#o.heard(bytes, { host: from.address, port: from.port })
    })
    socket.on('error', error => {
      if (this.#receivers.get(family) !== socket && !this.#closed) this.#o.failed?.(error.message)
      if (this.#receivers.get(family) !== socket) socket.close()
    })
    socket.bind({ port: this.#o.port }, () => {
      if (this.#closed) return socket.close()
      socket.unref()
      this.#receivers.set(family, socket)
      this.#refresh()
    })
  }

  /** Joins on interfaces that are new or whose membership was lost, and forgets those that are gone. */
  #refresh(): void {
    const places = this.#places()
    for (const [key, { socket }] of this.#senders) {
      if (places.has(key)) continue
      this.#senders.delete(key)
      socket.close()
    }
    for (const [key, place] of places) {
      this.#join(place)
      if (!this.#senders.has(key)) this.#openSender(key, place)
    }
  }

  #join({ family, interface: name }: Place): void {
    try {
      this.#receivers.get(family)?.addMembership(family === 4 ? this.#o.group4 : this.#o.group6, name)
    } catch {
      // Joined already, or the interface is gone again: the next look tells.
    }
  }

  #openSender(key: string, place: Place): void {
    const socket = createSocket({ type: place.family === 4 ? 'udp4' : 'udp6', ipv6Only: place.family === 6 })
    const sender: Sender = { place, socket, ready: false }
    this.#senders.set(key, sender)
    socket.on('error', () => {
      // Tried again at the next look.
      if (this.#senders.get(key) !== sender) return
      this.#senders.delete(key)
      socket.close()
    })
    socket.bind({ port: 0, ...(place.address === undefined ? {} : { address: place.address }) }, () => {
      if (this.#senders.get(key) !== sender) return
      socket.unref()
      try {
        socket.setMulticastInterface(place.interface)
        sender.ready = true
      } catch {
        this.#senders.delete(key)
        socket.close()
      }
    })
  }

  #places(): Map<string, Place> {
    const places = new Map<string, Place>()
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      for (const { family, address, internal } of addresses ?? []) {
        if (internal || places.size >= MAX_INTERFACES || !this.#o.usable(address)) continue
        if (family === 'IPv4') places.set(address, { family: 4, interface: address, address })
        else places.set(`::%${name}`, { family: 6, interface: `::%${name}`, address: undefined })
      }
    }
    return places
  }
}

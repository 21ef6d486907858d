/**
 * Holepunching: two peers that cannot be called are told by a third to call each other at the same time. BEP 55.
 *
 * Owns the limits of all three parts: who asks for help, who gives it, and who is told to connect. Whom to call and how is
 * the swarm's business. To follow strangers' orders to connect is dangerous to others, so it is done rarely.
 */
import { mayLead, realmOf } from '../net/ip-address.js'
import { formatAddress, toPeerAddress, type HostPort } from '../peer/address.js'
import {
  decodeHolepunch,
  encodeHolepunch,
  HOLEPUNCH_EXTENSION,
  HolepunchError,
  type HolepunchMessage,
} from '../wire/holepunch-message.js'
import type { Extension } from './extension.js'
import type { ExtensionPeer } from './extension-peer.js'

/** An address is asked help for once in this time, in ms. */
const ASK_AGAIN_MS = 5 * 60_000
/** A relay's answer counts this long after it was asked, in ms. */
const ANSWER_MS = 20_000
/** What one peer may have us do in a minute: relay for it, or connect where it says unasked. */
const MOST_A_MINUTE = 10
/** What all peers may in a minute. */
const MOST_A_MINUTE_IN_ALL = 60
const MINUTE_MS = 60_000
/** Addresses we remember to have asked help for. */
const MAX_ASKED = 500

export interface HolepunchOptions {
  readonly peers: () => Iterable<ExtensionPeer>
  /** Peers that told of an address. */
  readonly tellersOf: (address: HostPort) => readonly ExtensionPeer[]
  /** Call this address now, and once more a little later: the other side does so too. */
  readonly connect: (address: HostPort) => void
  /** Whether this is an address of our own. */
  readonly isOwn: (address: HostPort) => boolean
}

/** How often holepunching was tried, by part. */
export interface HolepunchCounts {
  /** We asked for help. */
  asked: number
  /** We brought two peers together. */
  relayed: number
  /** We were told to connect, and did. */
  followed: number
}

interface Asked {
  readonly at: number
  readonly relay: ExtensionPeer
}

export class Holepunch implements Extension {
  readonly name = HOLEPUNCH_EXTENSION
  readonly id = 3
  readonly counts: HolepunchCounts = { asked: 0, relayed: 0, followed: 0 }
  readonly #o: HolepunchOptions
  /** Addresses we asked help for, the oldest first. */
  readonly #asked = new Map<string, Asked>()
  readonly #perPeer = new Map<ExtensionPeer, number>()
  #inAll = 0
  #minute = -Infinity

  constructor(options: HolepunchOptions) {
    this.#o = options
  }

  /** An address did not answer: a peer that told of it may be connected to it. */
  unreachable(address: HostPort): void {
    const key = keyOf(address)
    const now = performance.now()
    const before = this.#asked.get(key)
    if (before !== undefined && now - before.at < ASK_AGAIN_MS) return
    const relay = this.#o.tellersOf(address).find(peer => peer.takes(HOLEPUNCH_EXTENSION))
    if (relay === undefined) return
    this.#asked.delete(key)
    this.#asked.set(key, { at: now, relay })
    if (this.#asked.size > MAX_ASKED) this.#asked.delete(this.#asked.keys().next().value!)
    this.counts.asked++
    send(relay, { type: 'rendezvous', address })
  }

  receive(peer: ExtensionPeer, payload: Uint8Array): void {
    const message = decodeHolepunch(payload)
    if (message === undefined) return
    if (message.type === 'rendezvous') this.#relay(peer, message.address)
    else if (message.type === 'connect') this.#follow(peer, message.address)
    // An error leaves the address asked for, so that it is not asked for again soon.
  }

  gone(peer: ExtensionPeer): void {
    this.#perPeer.delete(peer)
  }

  #relay(from: ExtensionPeer, address: HostPort): void {
    if (!this.#allows(from)) return
    const code = this.#relayed(from, address)
    if (code === undefined) this.counts.relayed++
    else send(from, { type: 'error', address, code })
  }

  /** Brings the two together, or says why not. */
  #relayed(from: ExtensionPeer, address: HostPort): number | undefined {
    if (address.port === 0) return HolepunchError.noSuchPeer
    if (this.#o.isOwn(address)) return HolepunchError.noSelf
    const key = keyOf(address)
    let target: ExtensionPeer | undefined
    for (const peer of this.#o.peers()) {
      const { listening } = peer
      if ((listening !== undefined && keyOf(listening) === key) || keyOf(peer.address) === key) target = peer
    }
    if (target === undefined) return HolepunchError.notConnected
    if (target === from) return HolepunchError.noSelf
    if (!target.takes(HOLEPUNCH_EXTENSION)) return HolepunchError.noSupport
    const place = placeOf(from)
    // Who may not be told of the other's network is not.
    if (!mayLead(realmOf(target.address.host), realmOf(place.host))) return HolepunchError.noSuchPeer
    send(from, { type: 'connect', address })
    send(target, { type: 'connect', address: place })
    return undefined
  }

  #follow(peer: ExtensionPeer, address: HostPort): void {
    const key = keyOf(address)
    const asked = this.#asked.get(key)
    const answer = asked?.relay === peer && performance.now() - asked.at < ANSWER_MS
    if (!answer && !this.#allows(peer)) return
    if (address.port === 0 || this.#o.isOwn(address)) return
    if (!mayLead(realmOf(peer.address.host), realmOf(toPeerAddress(address).host))) return
    for (const other of this.#o.peers()) {
      if (keyOf(other.address) === key) return
      if (other.listening !== undefined && keyOf(other.listening) === key) return
    }
    this.counts.followed++
    this.#o.connect(address)
  }

  /** Whether this peer may have us do one thing more this minute; counts it. */
  #allows(peer: ExtensionPeer): boolean {
    const now = performance.now()
    if (now - this.#minute > MINUTE_MS) {
      this.#minute = now
      this.#inAll = 0
      this.#perPeer.clear()
    }
    const count = this.#perPeer.get(peer) ?? 0
    if (count >= MOST_A_MINUTE || this.#inAll >= MOST_A_MINUTE_IN_ALL) return false
    this.#perPeer.set(peer, count + 1)
    this.#inAll++
    return true
  }
}

/** Where the peer can be called: over uTP, where its router lets it out; else where it listens. */
function placeOf(peer: ExtensionPeer): HostPort {
  return peer.connection.kind === 'utp' ? peer.address : (peer.listening ?? peer.address)
}

function keyOf(address: HostPort): string {
  return formatAddress(toPeerAddress(address))
}

function send(peer: ExtensionPeer, message: HolepunchMessage): void {
  const payload = encodeHolepunch({ ...message, address: toPeerAddress(message.address) })
  if (payload !== undefined) peer.send(HOLEPUNCH_EXTENSION, payload)
}

/**
 * Peer exchange, both ways: we tell peers whom else we are connected to, and hear it of them. BEP 11.
 *
 * Owns what each peer was told and has told. Whether a torrent may be gossiped about at all is decided elsewhere, and
 * whom to call is the swarm's business. A peer's word is believed as far as it harms nobody: no address nearer to us than
 * the peer is (a stranger could otherwise lead us to our own network), and not more of them than an honest peer has.
 */
import { realmOf, mayLead } from '../net/ip-address.js'
import { formatAddress, toPeerAddress, type HostPort } from '../peer/address.js'
import { HOLEPUNCH_EXTENSION } from '../wire/holepunch-message.js'
import {
  decodePexMessage,
  encodePexMessage,
  MAX_PEX_SENT,
  PEX_EXTENSION,
  PexFlag,
  type PexPeer,
} from '../wire/pex-message.js'
import type { Extension } from './extension.js'
import type { ExtensionPeer } from './extension-peer.js'

/** Between two messages to one peer, in ms. */
const SEND_INTERVAL_MS = 60_000
/** A peer's message that comes sooner after its last one is ignored, in ms: some are not exact about the minute. */
const RECEIVE_INTERVAL_MS = 40_000
/** Addresses a peer's word is remembered for, to ask it for help to reach them. */
const MAX_TOLD = 400

export interface PexOptions {
  /** Whether the torrent may be gossiped about now. */
  readonly allowed: () => boolean
  readonly peers: () => Iterable<ExtensionPeer>
  /** Addresses that a peer told of. */
  readonly found: (addresses: readonly HostPort[]) => void
}

/** How much was said and heard. */
export interface PexCounts {
  /** Messages. */
  sent: number
  received: number
  /** Of those received: they came too soon after the last one. */
  ignored: number
  /** Addresses that were told of and may be used, known before or not. */
  addresses: number
}

interface Exchange {
  /** What the peer was told and holds for true: address to address. */
  readonly sent: Map<string, HostPort>
  sentAt: number
  receivedAt: number
  /** Addresses it told of, the oldest first. */
  readonly told: Set<string>
}

export class Pex implements Extension {
  readonly name = PEX_EXTENSION
  readonly id = 2
  readonly #o: PexOptions
  readonly counts: PexCounts = { sent: 0, received: 0, ignored: 0, addresses: 0 }
  readonly #exchanges = new Map<ExtensionPeer, Exchange>()

  constructor(options: PexOptions) {
    this.#o = options
  }

  offered(): boolean {
    return this.#o.allowed()
  }

  greeted(peer: ExtensionPeer): void {
    if (this.#o.allowed() && peer.takes(PEX_EXTENSION)) this.#tell(peer, performance.now())
  }

  receive(peer: ExtensionPeer, payload: Uint8Array): void {
    const { added, dropped } = decodePexMessage(payload)
    const now = performance.now()
    const exchange = this.#exchangeOf(peer)
    this.counts.received++
    if (now - exchange.receivedAt < RECEIVE_INTERVAL_MS) {
      this.counts.ignored++
      return
    }
    exchange.receivedAt = now
    for (const address of dropped) exchange.told.delete(formatAddress(address))
    const from = realmOf(peer.address.host)
    const found: HostPort[] = []
    for (const { address } of added) {
      if (address.port === 0 || !mayLead(from, realmOf(address.host))) continue
      found.push(address)
      note(exchange.told, formatAddress(address))
    }
    this.counts.addresses += found.length
    if (found.length > 0) this.#o.found(found)
  }

  gone(peer: ExtensionPeer): void {
    this.#exchanges.delete(peer)
  }

  tick(now: number): void {
    if (!this.#o.allowed()) return
    for (const peer of this.#o.peers()) if (peer.takes(PEX_EXTENSION)) this.#tell(peer, now)
  }

  /** The peers that told of an address. */
  tellersOf(address: HostPort): ExtensionPeer[] {
    const key = formatAddress(toPeerAddress(address))
    const peers: ExtensionPeer[] = []
    for (const [peer, { told }] of this.#exchanges) if (told.has(key)) peers.push(peer)
    return peers
  }

  #exchangeOf(peer: ExtensionPeer): Exchange {
    let exchange = this.#exchanges.get(peer)
    if (exchange === undefined) {
      exchange = { sent: new Map(), sentAt: -Infinity, receivedAt: -Infinity, told: new Set() }
      this.#exchanges.set(peer, exchange)
    }
    return exchange
  }

  /** Tells a peer what changed since it was told last, if it is time to and anything did. */
  #tell(peer: ExtensionPeer, now: number): void {
    const exchange = this.#exchangeOf(peer)
    if (now - exchange.sentAt < SEND_INTERVAL_MS) return
    const present = this.#presentFor(peer)
    const added: PexPeer[] = []
    for (const [key, other] of present) {
      if (added.length === MAX_PEX_SENT) break
      if (exchange.sent.has(key)) continue
      exchange.sent.set(key, other.address)
      added.push(other)
    }
    const dropped: HostPort[] = []
    for (const [key, address] of exchange.sent) {
      if (dropped.length === MAX_PEX_SENT) break
      if (present.has(key)) continue
      exchange.sent.delete(key)
      dropped.push(address)
    }
    if (added.length === 0 && dropped.length === 0) return
    exchange.sentAt = now
    this.counts.sent++
    peer.send(PEX_EXTENSION, encodePexMessage({ added, dropped }))
  }

  /** Whom the peer may be told of: connected, with a known place to connect to, no nearer to us than the peer itself. */
  #presentFor(peer: ExtensionPeer): Map<string, PexPeer> {
    const to = realmOf(peer.address.host)
    const own = peer.listening === undefined ? undefined : formatAddress(peer.listening)
    const present = new Map<string, PexPeer>()
    for (const other of this.#o.peers()) {
      const address = other.listening
      // A link-local address means nothing without the interface.
      if (other === peer || address === undefined || address.host.includes('%')) continue
      const key = formatAddress(address)
      if (key === own || !mayLead(to, realmOf(address.host))) continue
      present.set(key, { address, flags: flagsOf(other) })
    }
    return present
  }
}

function flagsOf(peer: ExtensionPeer): number {
  return (
    (peer.encrypted ? PexFlag.prefersEncryption : 0) |
    (peer.uploadOnly ? PexFlag.uploadOnly : 0) |
    (peer.connection.kind === 'utp' ? PexFlag.utp : 0) |
    (peer.takes(HOLEPUNCH_EXTENSION) ? PexFlag.holepunch : 0) |
    (peer.connection.incoming ? 0 : PexFlag.outgoing)
  )
}

function note(told: Set<string>, key: string): void {
  told.delete(key)
  told.add(key)
  if (told.size <= MAX_TOLD) return
  for (const oldest of told) {
    told.delete(oldest)
    return
  }
}

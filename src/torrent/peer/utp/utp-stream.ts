/**
 * One uTP connection: packets in, packets out, an ordered stream of bytes each way. BEP 29.
 *
 * Owns its state, its two sides and their windows. Pure but for `send`: times are ms of one clock and come in as
 * arguments, so that whole connections can be played on a virtual one. Whoever holds it calls {@link UtpStream.flush}
 * after it changed anything and {@link UtpStream.tick} at {@link UtpStream.deadline}.
 */
import {
  encodeUtp,
  refreshUtpHeader,
  UTP_DATA,
  UTP_FIN,
  UTP_HEADER_LENGTH,
  UTP_RESET,
  UTP_STATE,
  UTP_SYN,
  writeUtpHeader,
  type UtpHeader,
  type UtpPacket,
} from '../../wire/utp-packet.js'
import { Congestion } from './congestion.js'
import { Incoming, type SharedRoom } from './incoming.js'
import { Outgoing, type SentPacket } from './outgoing.js'
import { RoundTrip } from './round-trip.js'
import { advance, distance } from './sequence.js'

export interface UtpStreamOptions {
  /** Under which number packets reach us; those we send carry the other one. */
  readonly receiveId: number
  readonly sendId: number
  /** The number of our first packet: a random one, which nobody guesses who has not seen it. */
  readonly first: number
  /** The SYN that asks for the connection; undefined when we ask. */
  readonly syn?: UtpPacket
  /** Bytes a packet may have, header included. */
  readonly packetBytes: number
  readonly shared: SharedRoom
  /** Sends a packet, or loses it. It is the stream's again when this returns. */
  readonly send: (packet: Uint8Array) => void
}

/** What a side keeps that is not read, at most: the window it grants. 100 Mbit/s over 160 ms. */
export const UTP_WINDOW_BYTES = 2 * 1024 * 1024
/** Of a peer we know nothing yet. */
const FIRST_PEER_WINDOW = 64 * 1024
const MOST_UNDER_WAY = 8192
/** How often the first packet is sent without an answer. */
const CONNECT_ATTEMPTS = 4
/** How long who asked for a connection may take to say something: whoever connects speaks first. */
const ACCEPT_MS = 10_000
/** How often others are: with doubling waits, at least 15 s. */
const ATTEMPTS = 6
/** How often a peer that has no room is asked whether it has some now. */
const PROBE_MS = 5_000
/** A NAT forgets a way that nobody uses in 30 s. */
const KEEP_ALIVE_MS = 29_000
const NEVER = Infinity

export type UtpState = 'connecting' | 'accepting' | 'open' | 'ended'

export class UtpStream {
  readonly receiveId: number
  readonly #o: UtpStreamOptions
  readonly #payloadBytes: number
  readonly #outgoing: Outgoing
  readonly #congestion: Congestion
  readonly #roundTrip = new RoundTrip()
  #incoming: Incoming | undefined
  #state: UtpState
  #failure: string | undefined
  #queue: Uint8Array[] = []
  #queued = 0
  /** Sent already, of the first of `#queue`. */
  #offset = 0
  #peerWindow = FIRST_PEER_WINDOW
  /** How long the last packet took to us by both clocks, in microseconds modulo 2^32; 0: none came. */
  #difference = 0
  /** The window told last. */
  #granted = UTP_WINDOW_BYTES
  #ackDue = false
  #limited = false
  #timeouts = 0
  #timeoutAt = NEVER
  #probeAt = NEVER
  #keepAliveAt = NEVER

  constructor(options: UtpStreamOptions, now: number) {
    this.#o = options
    this.receiveId = options.receiveId
    this.#payloadBytes = options.packetBytes - UTP_HEADER_LENGTH
    this.#outgoing = new Outgoing(options.first)
    this.#congestion = new Congestion(this.#payloadBytes)
    const { syn } = options
    if (syn === undefined) {
      this.#state = 'connecting'
      const packet = encodeUtp(this.#header(UTP_SYN, options.first, now))
      this.#outgoing.add(packet, 0, now)
      this.#timeoutAt = now + this.#roundTrip.timeout
      options.send(packet)
      return
    }
    this.#state = 'accepting'
    this.#incoming = new Incoming(syn.sequence, UTP_WINDOW_BYTES, options.shared)
    this.#heard(syn, now)
    this.#sendState(now)
    this.#keepAliveAt = NEVER
    this.#timeoutAt = now + ACCEPT_MS
  }

  get state(): UtpState {
    return this.#state
  }

  /** Why it ended; undefined while it has not, and when we ended it. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Bytes that were written and not yet sent. */
  get queued(): number {
    return this.#queued
  }

  /** Bytes that can be read. */
  get readable(): number {
    return this.#incoming?.readable ?? 0
  }

  /** The peer has sent its last byte, and all were read. */
  get atEnd(): boolean {
    return this.#incoming !== undefined && this.#incoming.ended && this.#incoming.readable === 0
  }

  /** When {@link tick} must be called, at the latest; Infinity: not at all. */
  get deadline(): number {
    return this.#state === 'ended' ? NEVER : Math.min(this.#timeoutAt, this.#probeAt, this.#keepAliveAt)
  }

  /** Bytes, ms and microseconds, for whoever wonders why it is slow. */
  get figures(): { readonly window: number; readonly roundTrip: number | undefined; readonly delay: number } {
    return {
      window: this.#congestion.window,
      roundTrip: this.#roundTrip.mean,
      delay: this.#congestion.delay,
    }
  }

  /** Takes a packet of this connection. What cannot be is ignored. */
  receive(packet: UtpPacket, now: number): void {
    if (this.#state === 'ended') return
    if (packet.type === UTP_RESET) return this.#reset(packet)
    if (packet.type === UTP_SYN) return this.#greetAgain(packet, now)
    if (!this.#outgoing.isBelievable(packet.ack)) return
    if (this.#state === 'connecting') {
      if (packet.type !== UTP_STATE) return
      this.#incoming = new Incoming(advance(packet.sequence, -1), UTP_WINDOW_BYTES, this.#o.shared)
    }
    if (this.#state === 'accepting') this.#timeoutAt = NEVER
    this.#state = 'open'
    this.#heard(packet, now)
    this.#acknowledged(packet, now)
    if (packet.type === UTP_STATE) return
    const isEnd = packet.type === UTP_FIN
    if (this.#incoming?.take(packet.sequence, packet.payload, isEnd) === true) this.#ackDue = true
  }

  /** Sends `parts`, when there is room. They are referenced until `queued` is 0. */
  write(parts: readonly Uint8Array[]): void {
    if (this.#state === 'ended') return
    for (const part of parts) {
      if (part.length === 0) continue
      this.#queue.push(part)
      this.#queued += part.length
    }
  }

  /** Moves what came in order into `target`. @returns how many bytes */
  read(target: Uint8Array): number {
    const incoming = this.#incoming
    if (incoming === undefined) return 0
    const count = incoming.read(target)
    // A peer that stopped for want of room does not ask again for long.
    const half = UTP_WINDOW_BYTES / 2
    if (this.#granted < half && incoming.window >= half) this.#ackDue = true
    return count
  }

  /** Sends what is due and what there is room for. */
  flush(now: number): void {
    if (this.#state !== 'open') return
    this.#sendLost(now)
    this.#sendQueued(now)
    if (this.#ackDue) this.#sendState(now)
  }

  /** Does what was to be done by now. Call {@link flush} afterwards. */
  tick(now: number): void {
    if (this.#state === 'ended') return
    if (now >= this.#timeoutAt) this.#timedOut(now)
    if (now >= this.#probeAt) {
      this.#probeAt = NEVER
      if (this.#queued > 0) this.#sendPacket(Math.min(this.#queued, this.#payloadBytes), now)
    }
    if (now >= this.#keepAliveAt) this.#sendState(now)
  }

  /** Ends it at once, and tells the peer once, if there is one: what is not sent is lost. */
  close(now: number): void {
    if (this.#state === 'ended') return
    const type = this.#state === 'open' ? UTP_FIN : UTP_RESET
    // Who asked and said nothing more may never have asked: the address may be another's.
    if (this.#state !== 'accepting') this.#o.send(encodeUtp(this.#header(type, this.#outgoing.next, now)))
    this.#end(undefined)
  }

  #end(failure: string | undefined): void {
    this.#state = 'ended'
    this.#failure = failure
    this.#incoming?.clear()
    this.#queue = []
    this.#queued = 0
  }

  /** The peer says that there is no such connection. Whoever has not seen our packets cannot say which ones we sent. */
  #reset(packet: UtpPacket): void {
    const refused = this.#state === 'connecting'
    const behind = distance(packet.ack, this.#outgoing.next)
    if (behind < 0 || behind > MOST_UNDER_WAY) return
    this.#end(refused ? 'refused' : 'reset by the peer')
  }

  /** The answer to the peer's first packet may be lost: it is given again. */
  #greetAgain(packet: UtpPacket, now: number): void {
    if (this.#state !== 'accepting' || packet.sequence !== this.#incoming?.ack) return
    this.#sendState(now)
    this.#keepAliveAt = NEVER
  }

  #heard(packet: UtpPacket, now: number): void {
    this.#difference = packet.timestamp === 0 ? 0 : (clockOf(now) - packet.timestamp) >>> 0
    this.#peerWindow = packet.window
    if (this.#peerWindow >= this.#payloadBytes) this.#probeAt = NEVER
  }

  #acknowledged(packet: UtpPacket, now: number): void {
    const { ack, selectiveAck, type, difference } = packet
    const mean = this.#roundTrip.mean ?? this.#roundTrip.timeout
    const told = this.#outgoing.acknowledge(ack, selectiveAck, type === UTP_STATE, now, mean)
    if (told.roundTrip !== undefined) this.#roundTrip.measured(told.roundTrip)
    if (difference !== 0) this.#congestion.measured(difference, now, told.roundTrip ?? this.#roundTrip.mean)
    if (told.packets > 0) {
      this.#roundTrip.answered()
      this.#timeouts = 0
      this.#timeoutAt = this.#outgoing.length === 0 ? NEVER : now + this.#roundTrip.timeout
    }
    if (told.bytes > 0) this.#congestion.acked(told.bytes, this.#limited)
    if (told.loss) this.#congestion.lost()
  }

  #timedOut(now: number): void {
    if (this.#state === 'accepting') return this.#end('no answer')
    const most = this.#state === 'connecting' ? CONNECT_ATTEMPTS : ATTEMPTS
    // A peer without room answers nothing that is new.
    if (this.#peerWindow > 0) this.#timeouts++
    if (this.#timeouts >= most) {
      return this.#end(this.#state === 'connecting' ? 'no answer' : 'answers no longer')
    }
    this.#outgoing.timedOut()
    this.#congestion.timedOut()
    this.#roundTrip.timedOut()
    this.#timeoutAt = now + this.#roundTrip.timeout
    const first = this.#outgoing.firstLost
    if (first !== undefined) this.#resend(first, now)
  }

  #sendLost(now: number): void {
    const window = Math.min(this.#congestion.window, this.#peerWindow)
    for (;;) {
      const packet = this.#outgoing.firstLost
      if (packet === undefined) return
      const { underWay } = this.#outgoing
      if (underWay > 0 && underWay + packet.payload > window) return
      this.#resend(packet, now)
    }
  }

  #resend(packet: SentPacket, now: number): void {
    const { timestamp, difference, window, ack } = this.#header(UTP_DATA, 0, now)
    refreshUtpHeader(packet.bytes, { timestamp, difference, window, ack })
    this.#outgoing.resent(packet, now)
    this.#o.send(packet.bytes)
    this.#told(now)
  }

  #sendQueued(now: number): void {
    this.#limited = false
    if (this.#outgoing.firstLost !== undefined) return
    while (this.#queued > 0 && this.#outgoing.length < MOST_UNDER_WAY) {
      const { underWay } = this.#outgoing
      let count = Math.min(this.#queued, this.#payloadBytes)
      if (underWay + count > this.#congestion.window) {
        this.#limited = true
        return
      }
      if (underWay + count > this.#peerWindow) {
        if (underWay > 0) return
        // Less than a packet, and nothing is under way whose acknowledgement would bring news of more.
        count = Math.min(count, this.#peerWindow)
        if (count === 0) {
          if (this.#probeAt === NEVER) this.#probeAt = now + PROBE_MS
          return
        }
      }
      this.#sendPacket(count, now)
    }
  }

  /** Sends the first `count` bytes of the queue. */
  #sendPacket(count: number, now: number): void {
    const packet = Buffer.allocUnsafe(UTP_HEADER_LENGTH + count)
    writeUtpHeader(packet, this.#header(UTP_DATA, this.#outgoing.next, now))
    let length = UTP_HEADER_LENGTH
    let taken = 0
    while (length < packet.length) {
      const first = this.#queue[taken]!
      const part = first.subarray(this.#offset, this.#offset + packet.length - length)
      packet.set(part, length)
      length += part.length
      this.#offset += part.length
      if (this.#offset < first.length) break
      this.#offset = 0
      taken++
    }
    if (taken > 0) this.#queue.splice(0, taken)
    this.#queued -= count
    if (this.#outgoing.length === 0) this.#timeoutAt = now + this.#roundTrip.timeout
    this.#outgoing.add(packet, count, now)
    this.#o.send(packet)
    this.#told(now)
  }

  #sendState(now: number): void {
    const mask = this.#incoming?.selectiveAck()
    this.#o.send(encodeUtp(this.#header(UTP_STATE, this.#outgoing.next, now), mask))
    this.#told(now, true)
  }

  /** A packet went out: it tells how far we are, but for what came out of order. */
  #told(now: number, everything = this.#incoming?.selectiveAck() === undefined): void {
    if (everything) this.#ackDue = false
    this.#keepAliveAt = now + KEEP_ALIVE_MS
  }

  #header(type: number, sequence: number, now: number): UtpHeader {
    this.#granted = this.#incoming?.window ?? UTP_WINDOW_BYTES
    return {
      type,
      connection: type === UTP_SYN ? this.#o.receiveId : this.#o.sendId,
      timestamp: clockOf(now),
      difference: this.#difference,
      window: this.#granted,
      sequence,
      ack: this.#incoming?.ack ?? 0,
    }
  }
}

/** Microseconds modulo 2^32 of a time in ms. */
export function clockOf(now: number): number {
  return Math.floor(now * 1000) % 2 ** 32
}

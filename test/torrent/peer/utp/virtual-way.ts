/** Two uTP streams joined by a way that loses, delays, doubles and overtakes as told, on a virtual clock. */
import type { SharedRoom } from '../../../../src/torrent/peer/utp/incoming.js'
import { UtpStream } from '../../../../src/torrent/peer/utp/utp-stream.js'
import { decodeUtp, UTP_SYN } from '../../../../src/torrent/wire/utp-packet.js'

export interface WayOptions {
  /** 0 to 1. */
  readonly loss?: number
  readonly doubling?: number
  /** One way, in ms. */
  readonly delayMs?: number
  /** Up to so much more, in ms: packets overtake one another. */
  readonly jitterMs?: number
  /** Bytes a second from one side to the other; what would wait longer than `queueMs` is lost. Default: no limit. */
  readonly bytesPerSecond?: number
  readonly queueMs?: number
  /** How far the second side's clock is ahead, in ms. */
  readonly clockMs?: number
  readonly seed?: number
}

interface Datagram {
  readonly at: number
  readonly order: number
  readonly to: 0 | 1
  readonly bytes: Uint8Array
}

/** Random numbers from a seed: [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

export class VirtualWay {
  readonly rooms: readonly [SharedRoom, SharedRoom] = [
    { limit: 64 << 20, used: 0 },
    { limit: 64 << 20, used: 0 },
  ]
  readonly caller: UtpStream
  /** Undefined until the first packet came through. */
  answerer: UtpStream | undefined
  now = 1000
  /** Datagrams sent by each side, and those lost of all. */
  readonly sent: [number, number] = [0, 0]
  lost = 0
  /** Nothing of ours comes through any more. */
  cut = false
  readonly #o: WayOptions
  readonly #random: () => number
  #datagrams: Datagram[] = []
  #order = 0
  readonly #freeAt: [number, number] = [0, 0]

  constructor(options: WayOptions = {}) {
    this.#o = options
    this.#random = randomFrom(options.seed ?? 1)
    const ids = { receiveId: 100, sendId: 101 }
    this.caller = new UtpStream({ ...ids, ...this.#side(0) }, this.now)
  }

  /** The streams that are there. */
  get streams(): UtpStream[] {
    return this.answerer === undefined ? [this.caller] : [this.caller, this.answerer]
  }

  /** Puts a datagram on the way to a side by hand; it is never lost. */
  inject(to: 0 | 1, bytes: Uint8Array): void {
    this.#datagrams.push({ at: this.now, order: this.#order++, to, bytes })
  }

  /** Runs until `done` says so. @returns whether it did before `limitMs` of virtual time had gone by */
  run(done: () => boolean, limitMs: number, each: () => void = () => {}): boolean {
    const end = this.now + limitMs
    for (;;) {
      each()
      for (const stream of this.streams) stream.flush(this.#clock(stream))
      if (done()) return true
      const next = this.#nextAt()
      if (next > end) {
        this.now = end
        return false
      }
      this.now = Math.max(this.now, next)
      this.#deliver()
      for (const stream of this.streams) {
        if (stream.deadline <= this.#clock(stream)) stream.tick(this.#clock(stream))
      }
    }
  }

  /** The clock of a side, ms. */
  #clock(stream: UtpStream): number {
    return this.now + (stream === this.caller ? 0 : (this.#o.clockMs ?? 0))
  }

  #side(
    side: 0 | 1,
  ): Pick<ConstructorParameters<typeof UtpStream>[0], 'first' | 'packetBytes' | 'shared' | 'send'> {
    return {
      first: Math.floor(this.#random() * 65536),
      packetBytes: 1392,
      shared: this.rooms[side],
      send: bytes => this.#send(side, bytes),
    }
  }

  #nextAt(): number {
    let next = Infinity
    for (const { at } of this.#datagrams) next = Math.min(next, at)
    for (const stream of this.streams) {
      next = Math.min(next, stream.deadline - (this.#clock(stream) - this.now))
    }
    return next
  }

  #deliver(): void {
    const due = this.#datagrams.filter(({ at }) => at <= this.now)
    this.#datagrams = this.#datagrams.filter(({ at }) => at > this.now)
    due.sort((a, b) => a.at - b.at || a.order - b.order)
    for (const { to, bytes } of due) {
      const packet = decodeUtp(bytes)
      if (packet === undefined) throw new Error('what was sent is no packet')
      const stream = to === 0 ? this.caller : this.answerer
      if (stream !== undefined) {
        stream.receive(packet, this.#clock(stream))
      } else if (packet.type === UTP_SYN) {
        const ids = { receiveId: 101, sendId: 100, syn: packet }
        const clock = this.now + (this.#o.clockMs ?? 0)
        this.answerer = new UtpStream({ ...ids, ...this.#side(1) }, clock)
      }
    }
  }

  #send(side: 0 | 1, packet: Uint8Array): void {
    this.sent[side]++
    const { loss = 0, doubling = 0, delayMs = 10, jitterMs = 0, bytesPerSecond, queueMs = 1000 } = this.#o
    let begin = this.now
    if (bytesPerSecond !== undefined) {
      begin = Math.max(begin, this.#freeAt[side])
      if (begin - this.now > queueMs) {
        this.lost++
        return
      }
      begin += ((packet.length + 28) / bytesPerSecond) * 1000
      this.#freeAt[side] = begin
    }
    const copies = this.#random() < doubling ? 2 : 1
    for (let i = 0; i < copies; i++) {
      if (this.cut || this.#random() < loss) {
        this.lost++
        continue
      }
      const at = begin + delayMs + this.#random() * jitterMs
      const to = side === 0 ? 1 : 0
      this.#datagrams.push({ at, order: this.#order++, to, bytes: new Uint8Array(packet) })
    }
  }
}

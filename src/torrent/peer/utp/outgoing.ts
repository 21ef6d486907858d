/**
 * What one side has sent and the other has not acknowledged, and what counts as lost of it. BEP 29.
 *
 * Owns those packets and how many bytes are under way. Pure: times are in ms of any one clock. Whoever acknowledges is a
 * stranger: every number is checked before it is used.
 */
import { advance, distance } from './sequence.js'

/** A packet that was sent, header included. */
export interface SentPacket {
  readonly sequence: number
  /** As it goes over the wire; its header is brought up to date when it is sent again. */
  readonly bytes: Uint8Array
  /** Bytes of payload. */
  readonly payload: number
  /** When it was sent last. */
  sentAt: number
  times: number
  /** It counts as lost, and not as under way. */
  lost: boolean
  /** It arrived out of order, and is kept only for the count. */
  arrived: boolean
}

/** What an acknowledgement told. */
export interface Acknowledged {
  /** Bytes of payload that arrived. */
  readonly bytes: number
  /** Packets that arrived. */
  readonly packets: number
  /** The round trip of the packet sent last of those that were sent once, in ms. */
  readonly roundTrip: number | undefined
  /** Packets were found lost that were sent after the window was last made smaller. */
  readonly loss: boolean
}

/** A packet is lost when so many that were sent after it arrived. */
const DUPLICATES = 3
/** The share of a round trip by which packets may overtake one that was sent again. */
const REORDERING = 0.25
const LEAST_REORDERING_MS = 2

export class Outgoing {
  /** In order, from `#head` on. */
  #packets: SentPacket[] = []
  #head = 0
  #next: number
  #underWay = 0
  #lost = 0
  /** Losses before this packet belong to what has made the window smaller already. */
  #recovery: number
  #duplicates = 0
  /** When the latest of the packets that arrived was sent. */
  #latest = -Infinity

  /** @param first - The number of the first packet. */
  constructor(first: number) {
    this.#next = first
    this.#recovery = first
  }

  /** The number of the next new packet. */
  get next(): number {
    return this.#next
  }

  /** Packets that are not acknowledged up to. */
  get length(): number {
    return this.#packets.length - this.#head
  }

  /** Bytes of payload under way. */
  get underWay(): number {
    return this.#underWay
  }

  /** The first packet that counts as lost; undefined: none. */
  get firstLost(): SentPacket | undefined {
    if (this.#lost === 0) return undefined
    for (let i = this.#head; i < this.#packets.length; i++) {
      const packet = this.#packets[i]!
      if (packet.lost) return packet
    }
    return undefined
  }

  /** The oldest packet that has not arrived. */
  get oldest(): SentPacket | undefined {
    return this.#packets[this.#head]
  }

  /** A new packet goes out. Its number is {@link next}. */
  add(bytes: Uint8Array, payload: number, now: number): void {
    const sequence = this.#next
    this.#packets.push({ sequence, bytes, payload, sentAt: now, times: 1, lost: false, arrived: false })
    this.#underWay += payload
    this.#next = advance(sequence, 1)
  }

  /** A packet goes out once more. */
  resent(packet: SentPacket, now: number): void {
    packet.sentAt = now
    packet.times++
    if (!packet.lost) return
    packet.lost = false
    this.#lost--
    this.#underWay += packet.payload
  }

  /** Whether `ack` can be of a peer that has what we sent: nothing that was never sent, nothing long acknowledged. */
  isBelievable(ack: number): boolean {
    const behind = distance(ack, advance(this.#next, -1))
    return behind >= 0 && behind <= this.length + DUPLICATES
  }

  /**
   * Takes an acknowledgement.
   *
   * @param ack - {@link isBelievable}
   * @param selective - What arrived behind it: see `UtpPacket.selectiveAck`
   * @param pure - It came by itself, so that the same one again tells of a packet that came out of order.
   * @param roundTrip - ms, for telling what is late from what is lost
   */
  acknowledge(
    ack: number,
    selective: Uint8Array | undefined,
    pure: boolean,
    now: number,
    roundTrip: number,
  ): Acknowledged {
    let bytes = 0
    let packets = 0
    let measured: number | undefined
    const arrive = (packet: SentPacket): void => {
      if (packet.arrived) return
      packet.arrived = true
      packets++
      bytes += packet.payload
      if (packet.lost) {
        packet.lost = false
        this.#lost--
      } else {
        this.#underWay -= packet.payload
      }
      // Of a packet that was sent twice nobody knows which one arrived.
      if (packet.times === 1) measured = Math.max(0, now - packet.sentAt)
      if (packet.times === 1 || now - packet.sentAt >= roundTrip / 2) {
        this.#latest = Math.max(this.#latest, packet.sentAt)
      }
    }

    const count = Math.min(this.length, this.length - distance(ack, advance(this.#next, -1)))
    for (let i = 0; i < count; i++) arrive(this.#packets[this.#head + i]!)
    if (count > 0) this.#drop(count)
    let selected = 0
    if (selective !== undefined) {
      selected = this.#select(selective, distance(this.#firstSequence, advance(ack, 2)), arrive)
    }
    if (count > 0) this.#duplicates = 0
    else if (pure && this.length > 0 && selected === 0) this.#duplicates++
    return { bytes, packets, roundTrip: measured, loss: this.#findLost(selected > 0, roundTrip) }
  }

  /** Nothing arrived in time: all that is under way counts as lost. */
  timedOut(): void {
    for (let i = this.#head; i < this.#packets.length; i++) {
      const packet = this.#packets[i]!
      if (packet.arrived || packet.lost) continue
      this.#lose(packet)
    }
    this.#duplicates = 0
    this.#recovery = this.#next
  }

  get #firstSequence(): number {
    return advance(this.#next, -this.length)
  }

  /** Forgets the first packets; the array is made shorter once in a while only. */
  #drop(count: number): void {
    this.#head += count
    if (this.#head < 64 || this.#head * 2 < this.#packets.length) return
    this.#packets = this.#packets.slice(this.#head)
    this.#head = 0
  }

  /** @param begin - The place of bit 0 among our packets; it may lie outside. @returns how many bits were of ours */
  #select(mask: Uint8Array, begin: number, arrive: (packet: SentPacket) => void): number {
    let count = 0
    const bits = Math.min(mask.length * 8, this.length - begin)
    for (let bit = Math.max(0, -begin); bit < bits; bit++) {
      if ((mask[bit >> 3]! & (1 << (bit & 7))) === 0) continue
      arrive(this.#packets[this.#head + begin + bit]!)
      count++
    }
    return count
  }

  /** @returns whether one of them is a new loss */
  #findLost(selective: boolean, roundTrip: number): boolean {
    let loss = false
    if (this.#duplicates === DUPLICATES && !selective) {
      const oldest = this.oldest
      if (oldest !== undefined && oldest.times === 1) loss = this.#lose(oldest)
    }
    if (!selective) return loss
    const late = this.#latest - Math.max(LEAST_REORDERING_MS, roundTrip * REORDERING)
    let after = 0
    for (let i = this.#packets.length - 1; i >= this.#head; i--) {
      const packet = this.#packets[i]!
      if (packet.arrived) {
        after++
      } else if (!packet.lost && after > 0) {
        // What was sent again has been overtaken on its first way: there only its time tells.
        const isLost = packet.times === 1 ? after >= DUPLICATES : packet.sentAt < late
        if (isLost && this.#lose(packet)) loss = true
      }
    }
    return loss
  }

  #lose(packet: SentPacket): boolean {
    packet.lost = true
    this.#lost++
    this.#underWay -= packet.payload
    if (distance(this.#recovery, packet.sequence) < 0) return false
    this.#recovery = this.#next
    return true
  }
}

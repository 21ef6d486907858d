/**
 * A set of piece indices, one bit each, in the order the wire uses: the high bit of the first byte is piece 0 (BEP 3).
 *
 * Owns its bytes and a running count. Must not know what a bit means. Pure.
 */
import { TorrentError } from '../errors.js'

/** A maximal run of equal bits: the indices [begin, end) are all `set`, or all not. */
export interface BitRun {
  readonly begin: number
  readonly end: number
  readonly set: boolean
}

/** Bits [0, length). Spare bits of the last byte are always clear. */
export class Bitfield {
  /** Number of bits. */
  readonly length: number
  /**
   * The bits in wire order, live: later changes show. Callers read it (copy it to keep a moment's state) and never write
   * to it, for then `count` would be wrong.
   */
  readonly bytes: Uint8Array
  #count = 0

  /** @param length number of bits, all clear at first */
  constructor(length: number) {
    if (!Number.isSafeInteger(length) || length < 0 || length > 0xffffffff) {
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `a bitfield of ${length} bits`)
    }
    this.length = length
    this.bytes = new Uint8Array(Math.ceil(length / 8))
  }

  /**
   * A bitfield from the payload of a `bitfield` message or of a resume file. The bytes are copied.
   *
   * @throws ERR_TORRENTFS_PROTOCOL when the size is not that of `length` bits, or a spare bit is set
   */
  static fromWire(bytes: Uint8Array, length: number): Bitfield {
    const bitfield = new Bitfield(length)
    if (bytes.length !== bitfield.bytes.length) {
      throw new TorrentError(
        'ERR_TORRENTFS_PROTOCOL',
        `a bitfield of ${bytes.length} bytes where ${length} bits need ${bitfield.bytes.length}`,
      )
    }
    const spare = bytes.length * 8 - length
    if (spare > 0 && (bytes[bytes.length - 1]! & ((1 << spare) - 1)) !== 0) {
      throw new TorrentError('ERR_TORRENTFS_PROTOCOL', 'a bitfield with spare bits set')
    }
    bitfield.bytes.set(bytes)
    bitfield.#count = bitfield.countIn(0, length)
    return bitfield
  }

  /** Number of set bits; O(1). */
  get count(): number {
    return this.#count
  }

  /** Whether every bit is set. A bitfield of no bits is both full and empty. */
  get full(): boolean {
    return this.#count === this.length
  }

  /** Whether no bit is set. */
  get empty(): boolean {
    return this.#count === 0
  }

  /** Whether bit `index` is set; false outside [0, length). */
  get(index: number): boolean {
    if (!(index >= 0 && index < this.length)) return false
    return (this.bytes[index >>> 3]! & (0x80 >> (index & 7))) !== 0
  }

  /** Sets bit `index`; returns whether that changed it. Outside [0, length) nothing happens. */
  set(index: number): boolean {
    if (!(index >= 0 && index < this.length)) return false
    const mask = 0x80 >> (index & 7)
    const byte = this.bytes[index >>> 3]!
    if ((byte & mask) !== 0) return false
    this.bytes[index >>> 3] = byte | mask
    this.#count++
    return true
  }

  /** Clears bit `index`; returns whether that changed it. Outside [0, length) nothing happens. */
  clear(index: number): boolean {
    if (!this.get(index)) return false
    this.bytes[index >>> 3]! &= ~(0x80 >> (index & 7))
    this.#count--
    return true
  }

  /** Sets every bit. */
  fill(): void {
    this.bytes.fill(0xff)
    const spare = this.bytes.length * 8 - this.length
    if (spare > 0) this.bytes[this.bytes.length - 1] = 0x100 - (1 << spare)
    this.#count = this.length
  }

  /** The first set bit in [from, end), or -1. Skips clear bits a byte at a time. */
  next(from: number, end: number = this.length): number {
    return this.#find(from, end, 0)
  }

  /** The first clear bit in [from, end), or -1. Skips set bits a byte at a time. */
  nextClear(from: number, end: number = this.length): number {
    return this.#find(from, end, 0xff)
  }

  /** Number of set bits in [begin, end), clamped to the bitfield. Costs O(end - begin) / 8. */
  countIn(begin: number, end: number): number {
    const from = Math.max(0, begin)
    const to = Math.min(end, this.length)
    if (!(from < to)) return 0
    const first = from >>> 3
    const last = (to - 1) >>> 3
    const head = 0xff >> (from & 7)
    const tail = (0xff00 >> (((to - 1) & 7) + 1)) & 0xff
    if (first === last) return ones(this.bytes[first]! & head & tail)
    let count = ones(this.bytes[first]! & head) + ones(this.bytes[last]! & tail)
    for (let index = first + 1; index < last; index++) count += ones(this.bytes[index]!)
    return count
  }

  /** A copy that shares nothing with this one. */
  clone(): Bitfield {
    const copy = new Bitfield(this.length)
    copy.bytes.set(this.bytes)
    copy.#count = this.#count
    return copy
  }

  /** The maximal runs of equal bits, in order; together they cover [0, length). Do not change bits meanwhile. */
  *runs(): Generator<BitRun, void, undefined> {
    let begin = 0
    while (begin < this.length) {
      const set = this.get(begin)
      const found = set ? this.nextClear(begin) : this.next(begin)
      const end = found === -1 ? this.length : found
      yield { begin, end, set }
      begin = end
    }
  }

  /** The first bit in [from, end) that differs from the bits of `skip` (0x00 or 0xff). */
  #find(from: number, end: number, skip: 0 | 0xff): number {
    const begin = Math.max(0, from)
    const stop = Math.min(end, this.length)
    if (!(begin < stop)) return -1
    const bytes = this.bytes
    const last = (stop - 1) >>> 3
    let index = begin >>> 3
    let byte = (bytes[index]! ^ skip) & (0xff >> (begin & 7))
    while (byte === 0) {
      if (++index > last) return -1
      byte = bytes[index]! ^ skip
    }
    const found = index * 8 + Math.clz32(byte) - 24
    return found < stop ? found : -1
  }
}

/** Number of set bits in a byte. */
function ones(byte: number): number {
  const pairs = byte - ((byte >> 1) & 0x55)
  const nibbles = (pairs & 0x33) + ((pairs >> 2) & 0x33)
  return (nibbles + (nibbles >> 4)) & 0x0f
}

/**
 * Sets of IP ranges: hundreds of thousands in little memory, asked for every address in well under a microsecond.
 *
 * Owns how they are kept: sorted, disjoint, in typed arrays. Must not hold the event loop while it sorts. Pure but for
 * that. Our own because the package for it, `ip-set`, is wrong for IPv6.
 */
import { setImmediate as turn } from 'node:timers/promises'

import { addressWords, readAddress, type WordCount } from './ip-number.js'

/** Ranges sorted in one go: some ms. */
const RUN_LENGTH = 16_384
/** Ranges merged before others get a turn: some ms. */
const SLICE_LENGTH = 65_536

/** Collects ranges in any order. */
export class RangeCollector {
  /** First and last address of each range, by the words of an address. */
  readonly #bounds: Record<WordCount, GrowingWords> = { 1: new GrowingWords(), 4: new GrowingWords() }
  readonly #first = addressWords()
  readonly #last = addressWords()

  /** Ranges collected. */
  get size(): number {
    return this.#bounds[1].length / 2 + this.#bounds[4].length / 8
  }

  /**
   * Adds the addresses from `first` to `last`, both included: IP literals of one family.
   *
   * @returns false when they are not, or when there is none between them
   */
  add(first: string, last: string): boolean {
    const count = readAddress(first, this.#first, true)
    if (count === 0 || readAddress(last, this.#last, true) !== count) return false
    return this.#push(count)
  }

  /** Adds the addresses that begin with the first `bits` bits of `base`. @returns false when there is no such block */
  addBlock(base: string, bits: number): boolean {
    const count = readAddress(base, this.#first, true)
    // A mapped block counts the bits of the address it is mapped into.
    const prefix = count === 1 && base.includes(':') ? bits - 96 : bits
    if (count === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > count * 32) return false
    for (let word = 0; word < count; word++) {
      const kept = Math.min(Math.max(prefix - word * 32, 0), 32)
      // A shift by 32 shifts by nothing.
      const mask = kept === 0 ? 0 : (0xffffffff << (32 - kept)) >>> 0
      const value = this.#first[word]!
      this.#first[word] = (value & mask) >>> 0
      this.#last[word] = (value | ~mask) >>> 0
    }
    return this.#push(count)
  }

  #push(count: WordCount): boolean {
    if (compare(this.#first, 0, this.#last, 0, count) > 0) return false
    this.#bounds[count].push(this.#first, count)
    this.#bounds[count].push(this.#last, count)
    return true
  }

  /** The set of all that was collected. Takes turns with whatever else there is to do. The collector is empty then. */
  async finish(): Promise<IpRanges> {
    return new IpRanges(
      await sortAndJoin(this.#bounds[1].take(), 1),
      await sortAndJoin(this.#bounds[4].take(), 4),
    )
  }
}

/** A set of addresses that does not change. */
export class IpRanges {
  readonly #ipv4: Uint32Array
  readonly #ipv6: Uint32Array
  readonly #words = addressWords()

  /** Made by {@link RangeCollector.finish}; first and last words of each range, sorted and disjoint. */
  constructor(ipv4: Uint32Array, ipv6: Uint32Array) {
    this.#ipv4 = ipv4
    this.#ipv6 = ipv6
  }

  static readonly none = new IpRanges(new Uint32Array(0), new Uint32Array(0))

  /** Ranges, after those that overlap or touch were joined. */
  get size(): number {
    return this.#ipv4.length / 2 + this.#ipv6.length / 8
  }

  /** Bytes it takes. */
  get byteLength(): number {
    return this.#ipv4.byteLength + this.#ipv6.byteLength
  }

  /** Whether an address is in it; false for what is no IP literal. */
  has(address: string): boolean {
    const count = readAddress(address, this.#words)
    if (count === 1) return hasWord(this.#ipv4, this.#words[0]!)
    return count === 4 && hasWords(this.#ipv6, this.#words)
  }
}

function hasWord(bounds: Uint32Array, value: number): boolean {
  let low = 0
  let high = bounds.length >>> 1
  // The ranges before `low` begin at the value or below, those from `high` on above it.
  while (low < high) {
    const middle = (low + high) >>> 1
    if (bounds[middle * 2]! <= value) low = middle + 1
    else high = middle
  }
  return low > 0 && value <= bounds[low * 2 - 1]!
}

function hasWords(bounds: Uint32Array, value: Uint32Array): boolean {
  let low = 0
  let high = bounds.length >>> 3
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(bounds, middle * 8, value, 0, 4) <= 0) low = middle + 1
    else high = middle
  }
  return low > 0 && compare(value, 0, bounds, low * 8 - 4, 4) <= 0
}

/** Below, at or above 0 as the address at `i` of `a` comes before, is, or comes after the one at `j` of `b`. */
function compare(a: Uint32Array, i: number, b: Uint32Array, j: number, count: WordCount): number {
  for (let word = 0; word < count; word++) {
    const difference = a[i + word]! - b[j + word]!
    if (difference !== 0) return difference
  }
  return 0
}

/** Sorts ranges by where they begin, and joins those that overlap or touch. */
async function sortAndJoin(bounds: Uint32Array, count: WordCount): Promise<Uint32Array> {
  const stride = count * 2
  const total = bounds.length / stride
  if (!(await isSorted(bounds, count))) {
    for (let from = 0; from < total; from += RUN_LENGTH) {
      sortRun(bounds, from, Math.min(from + RUN_LENGTH, total), count)
      await turn()
    }
    let other: Uint32Array = new Uint32Array(bounds.length)
    for (let run = RUN_LENGTH; run < total; run *= 2) {
      await mergeRuns(bounds, other, run, count)
      ;[bounds, other] = [other, bounds]
    }
  }
  return await join(bounds, count)
}

async function isSorted(bounds: Uint32Array, count: WordCount): Promise<boolean> {
  const stride = count * 2
  for (let at = stride; at < bounds.length; at += stride) {
    if (compare(bounds, at - stride, bounds, at, count) > 0) return false
    if ((at / stride) % SLICE_LENGTH === 0) await turn()
  }
  return true
}

function sortRun(bounds: Uint32Array, from: number, to: number, count: WordCount): void {
  const stride = count * 2
  const run = bounds.slice(from * stride, to * stride)
  const order = Uint32Array.from({ length: to - from }, (_, index) => index * stride)
  order.sort((a, b) => compare(run, a, run, b, count))
  let into = from * stride
  for (const at of order) for (let word = 0; word < stride; word++) bounds[into++] = run[at + word]!
}

/** Merges each two neighbouring sorted runs of `run` ranges. */
async function mergeRuns(from: Uint32Array, into: Uint32Array, run: number, count: WordCount): Promise<void> {
  const stride = count * 2
  let at = 0
  let sinceTurn = 0
  for (let begin = 0; begin < from.length; begin += run * 2 * stride) {
    let left = begin
    const leftEnd = Math.min(begin + run * stride, from.length)
    let right = leftEnd
    const rightEnd = Math.min(leftEnd + run * stride, from.length)
    while (left < leftEnd || right < rightEnd) {
      const takeLeft = right === rightEnd || (left < leftEnd && compare(from, left, from, right, count) <= 0)
      const source = takeLeft ? left : right
      for (let word = 0; word < stride; word++) into[at++] = from[source + word]!
      if (takeLeft) left += stride
      else right += stride
      if (++sinceTurn === SLICE_LENGTH) {
        sinceTurn = 0
        await turn()
      }
    }
  }
}

/** Joins what overlaps or touches, in place. @returns a copy of just the right length */
async function join(bounds: Uint32Array, count: WordCount): Promise<Uint32Array> {
  const stride = count * 2
  let end = 0
  for (let at = 0; at < bounds.length; at += stride) {
    const last = end - count
    if (end > 0 && touches(bounds, last, at, count)) {
      if (compare(bounds, at + count, bounds, last, count) > 0)
        bounds.copyWithin(last, at + count, at + stride)
    } else {
      bounds.copyWithin(end, at, at + stride)
      end += stride
    }
    if ((at / stride) % SLICE_LENGTH === SLICE_LENGTH - 1) await turn()
  }
  return bounds.slice(0, end)
}

/** Whether the address at `next` comes at most one after the one at `last`. */
function touches(bounds: Uint32Array, last: number, next: number, count: WordCount): boolean {
  if (compare(bounds, next, bounds, last, count) <= 0) return true
  let carry = true
  for (let word = count - 1; word >= 0; word--) {
    const value = bounds[last + word]!
    const sum: number = carry ? (value + 1) >>> 0 : value
    if (bounds[next + word] !== sum) return false
    carry = carry && sum === 0
  }
  return !carry
}

/** Words whose number is not known beforehand. */
class GrowingWords {
  #words = new Uint32Array(0)
  length = 0

  push(words: Uint32Array, count: number): void {
    if (this.length + count > this.#words.length) {
      const grown = new Uint32Array(Math.max(1024, this.#words.length * 2))
      grown.set(this.#words)
      this.#words = grown
    }
    for (let word = 0; word < count; word++) this.#words[this.length++] = words[word]!
  }

  take(): Uint32Array {
    const taken = this.#words.subarray(0, this.length)
    this.#words = new Uint32Array(0)
    this.length = 0
    return taken
  }
}

/**
 * Which pieces of a torrent are stored, in memory that the engine's thread writes and the session's thread reads.
 *
 * Owns the layout. A bit is set only while the piece's bytes lie in the files; readers look before and after they read, so
 * a piece that stops being stored meanwhile is not served.
 */

/** 32-bit words before the bits: `stored` grows with every piece stored, `doubts` with every piece that is so no longer. */
const STORED = 0
const DOUBTS = 1
const HEADER_WORDS = 2
const HEADER_BYTES = HEADER_WORDS * 4

export class SharedPieces {
  readonly memory: SharedArrayBuffer
  readonly count: number
  readonly #counters: Int32Array
  readonly #bits: Uint8Array

  private constructor(memory: SharedArrayBuffer, count: number) {
    this.memory = memory
    this.count = count
    this.#counters = new Int32Array(memory, 0, HEADER_WORDS)
    this.#bits = new Uint8Array(memory, HEADER_BYTES)
  }

  /** New memory. @param bitfield one bit a piece, the high bit of the first byte first */
  static of(bitfield: Uint8Array, count: number): SharedPieces {
    const length = Math.ceil(count / 8)
    const pieces = new SharedPieces(new SharedArrayBuffer(HEADER_BYTES + length), count)
    pieces.#bits.set(bitfield.subarray(0, length))
    return pieces
  }

  /** The same memory, seen by another thread. */
  static in(memory: SharedArrayBuffer, count: number): SharedPieces {
    return new SharedPieces(memory, count)
  }

  /** Changes whenever a piece was stored or doubted. */
  get version(): number {
    return (Atomics.load(this.#counters, STORED) + Atomics.load(this.#counters, DOUBTS)) | 0
  }

  /** Changes whenever a piece is no longer stored: files may have been replaced by others since. */
  get doubts(): number {
    return Atomics.load(this.#counters, DOUBTS)
  }

  set(piece: number): void {
    Atomics.or(this.#bits, piece >> 3, 0x80 >> (piece & 7))
    Atomics.add(this.#counters, STORED, 1)
  }

  /** The counter moves first: whoever sees a bit that is set again later also sees that there was a doubt. */
  clear(piece: number): void {
    Atomics.add(this.#counters, DOUBTS, 1)
    Atomics.and(this.#bits, piece >> 3, ~(0x80 >> (piece & 7)))
  }

  has(piece: number): boolean {
    return (Atomics.load(this.#bits, piece >> 3) & (0x80 >> (piece & 7))) !== 0
  }

  /** Whether all of the pieces [begin, end) are stored. */
  hasAll(begin: number, end: number): boolean {
    for (let piece = begin; piece < end;) {
      if ((piece & 7) === 0 && piece + 8 <= end) {
        if (Atomics.load(this.#bits, piece >> 3) !== 0xff) return false
        piece += 8
      } else if (!this.has(piece++)) return false
    }
    return true
  }

  /** Bytes of [begin, end), offsets in the torrent, that lie in stored pieces of `pieceLength` bytes. */
  storedBytes(begin: number, end: number, pieceLength: number): number {
    if (begin >= end) return 0
    const last = Math.floor((end - 1) / pieceLength)
    let bytes = 0
    for (let piece = Math.floor(begin / pieceLength); piece <= last; piece++) {
      if (!this.has(piece)) continue
      bytes += Math.min(end, (piece + 1) * pieceLength) - Math.max(begin, piece * pieceLength)
    }
    return bytes
  }
}

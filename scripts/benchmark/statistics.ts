/** Medians, percentiles and a seeded random number. PURE. */

/** The value below which the given share (0 to 1) of the values lies, by nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return NaN
  const sorted = [...values].sort((a, b) => a - b)
  const rank = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))
  return sorted[rank] ?? NaN
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}

/** A generator of numbers in [0, 1) that is the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/**
 * Offsets of reads that never touch a piece another one touched, so each of them is cold.
 * @returns offsets in bytes, and the number of pieces they touch (a read may straddle two).
 */
export function coldOffsets(o: {
  readonly count: number
  readonly length: number
  readonly fileLength: number
  readonly pieceLength: number
  readonly seed: number
}): { offsets: number[]; pieces: number } {
  const random = randomFrom(o.seed)
  // Piece 0 is what opening and connecting may have read already.
  const touched = new Set<number>([0])
  const offsets: number[] = []
  while (offsets.length < o.count) {
    const offset = Math.floor(random() * (o.fileLength - o.length))
    const first = Math.floor(offset / o.pieceLength)
    const last = Math.floor((offset + o.length - 1) / o.pieceLength)
    if (touched.has(first) || touched.has(last)) continue
    touched.add(first)
    touched.add(last)
    offsets.push(offset)
  }
  return { offsets, pieces: touched.size - 1 }
}

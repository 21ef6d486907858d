/**
 * Inode numbers. PURE.
 *
 * 32 bits, because that is all one of the bindings can pass on, and because 32-bit programs fail on more. At 100,000
 * files one collision is to be expected, so whoever uses this must resolve them: ask for the next attempt.
 */

export const ROOT_INODE = 1

/** Spreads `value` over 32 bits (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/**
 * The `attempt`th choice of number for node `index` of a torrent: in [2, 2^32), a function of its arguments alone.
 *
 * @param infohash 40 hex digits
 * @param index of the file, or ~n for the nth folder
 */
export function inodeNumber(infohash: string, index: number, attempt: number): number {
  const high = parseInt(infohash.slice(0, 8), 16)
  const low = parseInt(infohash.slice(8, 16), 16)
  const h = mix(mix(mix(high) ^ low) + Math.imul(index, 0x9e3779b1) + Math.imul(attempt, 0x632be5ab)) >>> 0
  return h > ROOT_INODE ? h : h + 2
}

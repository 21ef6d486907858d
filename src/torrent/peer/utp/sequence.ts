/**
 * Arithmetic of numbers that begin again at 0: packets count modulo 2^16, clocks modulo 2^32. BEP 29.
 *
 * Pure.
 */

/** `sequence + count`. */
export function advance(sequence: number, count: number): number {
  return (sequence + count) & 0xffff
}

/** How many packets `to` lies behind `from`: [-32768, 32767], negative when it lies before. */
export function distance(from: number, to: number): number {
  return ((to - from) << 16) >> 16
}

/** `to - from` of two times in microseconds modulo 2^32: [-2^31, 2^31). */
export function elapsed(from: number, to: number): number {
  return (to - from) | 0
}

/**
 * Numbers as people read them: bytes, rates, times. Pure.
 */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB']

/** `0 B`, `999 B`, `5.2 MB`, `129 MB`: units of 1000, two or three digits. */
export function formatBytes(bytes: number): string {
  let unit = 0
  let amount = bytes
  // Rounding must not lead to `1000 kB`.
  while (unit < BYTE_UNITS.length - 1 && amount >= (unit === 0 ? 1000 : 999.5)) {
    amount /= 1000
    unit++
  }
  const digits = unit > 0 && amount < 9.95 ? 1 : 0
  return `${amount.toFixed(digits)} ${BYTE_UNITS[unit]}`
}

/** `1.7 MB/s`. @param rate bytes/s */
export function formatRate(rate: number): string {
  return `${formatBytes(rate)}/s`
}

/** `0s`, `42s`, `3m20s`, `2h05m`, `4d03h`. @param ms milliseconds; infinite when unknown, which gives `-` */
export function formatTime(ms: number): string {
  if (!Number.isFinite(ms)) return '-'
  const seconds = Math.max(0, Math.round(ms / 1000))
  const two = (part: number): string => String(part).padStart(2, '0')
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`
  return `${Math.floor(seconds / 86_400)}d${two(Math.floor(seconds / 3600) % 24)}h`
}

/** `1 torrent`, `2 torrents`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

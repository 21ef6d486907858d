/**
 * Which files of a torrent a magnet link selects (`so`). BEP 53.
 *
 * Pure. Files count from 0 in torrent order, pad files included; ranges are half-open.
 */
/** Files [begin, end). */
export interface FileRange {
  readonly begin: number
  readonly end: number
}

/** More than any link selects by hand. */
const MAX_RANGES = 4096
/** No torrent has as many files. */
const MAX_INDEX = 2 ** 31

/** Reads `0,2,4-8`, bounds included; what makes no sense is left out. Undefined when nothing is left. */
export function parseSelectOnly(text: string): FileRange[] | undefined {
  const ranges: FileRange[] = []
  for (const part of text.split(',', MAX_RANGES)) {
    const match = /^\s*(\d{1,10})(?:-(\d{1,10}))?\s*$/.exec(part)
    if (match === null) continue
    const begin = Number(match[1])
    const end = Number(match[2] ?? match[1]) + 1
    if (begin < end && end <= MAX_INDEX) ranges.push({ begin, end })
  }
  return ranges.length === 0 ? undefined : merged(ranges)
}

/** Writes what {@link parseSelectOnly} reads. */
export function formatSelectOnly(ranges: readonly FileRange[]): string {
  return ranges.map(({ begin, end }) => (end - begin === 1 ? `${begin}` : `${begin}-${end - 1}`)).join(',')
}

/** In order, without what overlaps or touches. */
function merged(ranges: FileRange[]): FileRange[] {
  ranges.sort((a, b) => a.begin - b.begin)
  const result: FileRange[] = []
  for (const range of ranges) {
    const last = result[result.length - 1]
    if (last === undefined || range.begin > last.end) result.push(range)
    else result[result.length - 1] = { begin: last.begin, end: Math.max(last.end, range.end) }
  }
  return result
}

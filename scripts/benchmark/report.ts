/** What a row says, how it is judged, and how it is printed. Starts nothing. */

/** A mark to reach, on the ratio to the peer or on our own figure. */
export interface Mark {
  readonly of: 'ratio' | 'ours'
  readonly sense: 'atLeast' | 'atMost'
  readonly first: number
  readonly product: number
  /** How the marks are written when a bare number does not say it. */
  readonly text?: { readonly first: string; readonly product: string }
}

/** One measured comparison before it is judged. */
export interface Measured {
  readonly row: string
  readonly what: string
  readonly against: string
  readonly unit: string
  /** Our figure (a median), or undefined when ours could not be run. */
  readonly ours: number | undefined
  /** The peer's figure (a median); undefined: the peer is absent; null: the row has no peer. */
  readonly peer: number | undefined | null
  /** What is judged instead of ours / peer, where that is not it. */
  readonly ratio?: number
  readonly mark?: Mark
  /** The single figures the medians are of. */
  readonly oursRuns?: readonly number[]
  readonly peerRuns?: readonly number[]
  readonly note?: string
}

/** How far a row has come. */
export type Reached = 'product' | 'first' | 'missed' | 'absent' | '-'

/** A judged row, as it is written to JSON. */
export interface Row extends Measured {
  readonly reached: Reached
}

/** Judges a row; what cannot be computed is `absent`, never a figure. */
export function judge(measured: Measured): Row {
  const ratio = ratioOf(measured)
  const { mark } = measured
  let reached: Reached = '-'
  if (measured.ours === undefined || (measured.peer === undefined && mark?.of !== 'ours')) reached = 'absent'
  else if (mark !== undefined) {
    const value = mark.of === 'ours' ? measured.ours : ratio
    const meets = (limit: number): boolean =>
      value !== undefined && (mark.sense === 'atLeast' ? value >= limit : value <= limit)
    reached = meets(mark.product) ? 'product' : meets(mark.first) ? 'first' : 'missed'
  }
  return { ...measured, ...(ratio === undefined ? {} : { ratio }), reached }
}

function ratioOf(m: Measured): number | undefined {
  if (m.ratio !== undefined) return m.ratio
  return typeof m.ours === 'number' && typeof m.peer === 'number' && m.peer !== 0
    ? m.ours / m.peer
    : undefined
}

/** A figure with three digits that mean something. */
export function figure(value: number, unit = ''): string {
  const text =
    Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)
  return unit === '' ? text : `${text} ${unit}`
}

function markText(mark: Mark | undefined, which: 'first' | 'product', unit: string): string {
  if (mark === undefined) return '-'
  if (mark.text !== undefined) return mark.text[which]
  const limit = mark[which]
  if (!Number.isFinite(limit)) return 'print it'
  const sign = mark.sense === 'atLeast' ? '>=' : '<='
  return mark.of === 'ratio' ? `${sign} ${String(limit)}x` : `${sign} ${String(limit)} ${unit}`
}

/** The table, one line a row, and the notes below it. */
export function table(rows: readonly Row[]): string {
  const head = ['row', 'what', 'ours', 'against', 'peer', 'ratio', 'first mark', 'product mark', 'reached']
  const lines = rows.map(row => [
    row.row,
    row.what,
    row.ours === undefined ? 'absent' : figure(row.ours, row.unit),
    row.against,
    row.peer === null ? '-' : row.peer === undefined ? 'absent' : figure(row.peer, row.unit),
    row.ratio === undefined ? '-' : `${figure(row.ratio)}x`,
    markText(row.mark, 'first', row.unit),
    markText(row.mark, 'product', row.unit),
    row.reached,
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map(line => line[i]?.length ?? 0)))
  const format = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  const notes = rows
    .filter(row => row.note !== undefined)
    .map(row => `  ${row.row}, ${row.what}: ${row.note ?? ''}`)
  return [
    format(head),
    widths.map(width => '-'.repeat(width)).join('  '),
    ...lines.map(format),
    ...notes,
  ].join('\n')
}

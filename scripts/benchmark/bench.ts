/** What every row is given. */
import type { Content } from './content.js'
import type { Network } from './network.js'
import type { Measured } from './report.js'
import type { Seeder } from './seeder.js'

/** The bench a row runs in. */
export interface Bench {
  readonly network: Network
  /** Undefined when libtorrent is absent: rows that need it then say `absent`. */
  readonly seeder: Seeder | undefined
  /** How many times each thing is measured. */
  readonly runs: number
  /** Rows asked for; work only another row needs is left out. */
  readonly wanted: ReadonlySet<string>
  /** Run our process under the CPU profiler (its figures are then not comparable). */
  readonly profile: boolean
  /** The 1 GiB of random data in 1 MiB pieces, made at first use and seeded. */
  random(): Promise<Content>
  /** Tells the person waiting what is going on. */
  say(text: string): void
}

/** A group of rows measured together. */
export interface Group {
  readonly rows: readonly string[]
  measure(bench: Bench): Promise<Measured[]>
}

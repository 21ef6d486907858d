/** The readers of the bench: always processes of their own, always ordinary programs or one small one of ours. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMPILED, RUN } from './places.js'
import { run } from './processes.js'

/** Bytes a second and what they are made of. */
export interface Throughput {
  readonly bytes: number
  readonly seconds: number
  /** MiB/s */
  readonly rate: number
}

/**
 * Reads a file from its beginning with `dd bs=1M`.
 * @param o.bytes how much at most (a multiple of 1 MiB); else all of it
 * @param o.limit ms after which the reading is cut short and what was read so far counts
 */
export async function readThrough(
  path: string,
  o: { readonly bytes?: number; readonly limit?: number } = {},
): Promise<Throughput> {
  const args = [`if=${path}`, 'of=/dev/null', 'bs=1M']
  if (o.bytes !== undefined) args.push(`count=${String(o.bytes / 1048576)}`)
  const outcome = await run('dd', args, o.limit === undefined ? {} : { timeout: o.limit })
  const said = /^(\d+) bytes.* copied, ([\d.e+-]+) s/m.exec(outcome.stderr)
  if (said === null || (outcome.code !== 0 && o.limit === undefined)) {
    throw new Error(`dd ${path}: ${outcome.stderr.trim()}`)
  }
  const [bytes, seconds] = [Number(said[1]), Number(said[2])]
  return { bytes, seconds, rate: bytes / 1048576 / seconds }
}

/** Tells the kernel to forget the pages of a file (they must be clean, so they are written out first). */
export async function forgetPages(path: string): Promise<void> {
  await run('dd', [`if=${path}`, 'iflag=nocache', 'count=0'])
}

/**
 * Reads at the offsets, one after the other, in a child process.
 * @returns ms of each read, in order
 */
export async function readAt(o: {
  readonly path: string
  readonly offsets: readonly number[]
  readonly length: number
  /** open and close the file for each read */
  readonly reopen?: boolean
  /** ms of rest before each read */
  readonly rest?: number
}): Promise<number[]> {
  const program = join(COMPILED, 'scripts', 'benchmark', 'random-reader.js')
  const task = join(RUN, 'reads.json')
  writeFileSync(task, JSON.stringify(o))
  const outcome = await run(process.execPath, [program, task], { timeout: 120_000 })
  if (outcome.code !== 0) throw new Error(`random reads of ${o.path}: ${outcome.stderr.trim()}`)
  return JSON.parse(outcome.stdout) as number[]
}

/** What the wire itself gives: see piece-timer.ts. */
export interface PieceTimes {
  /** ms from the first request of a piece to its last byte */
  readonly pieces: number[]
  /** ms of a TCP connection's opening: one round trip */
  readonly roundTrips: number[]
}

/** Measures the transfer of single pieces from the seeder, without any client's code of ours or others'. */
export async function timePieces(o: {
  readonly peer: string
  readonly infohash: string
  readonly pieceLength: number
  readonly pieces: readonly number[]
  readonly rest?: number
}): Promise<PieceTimes> {
  const program = join(COMPILED, 'scripts', 'benchmark', 'piece-timer.js')
  const outcome = await run(process.execPath, [program, JSON.stringify(o)], { timeout: 120_000 })
  if (outcome.code !== 0) throw new Error(`piece times: ${outcome.stderr.trim()}`)
  return JSON.parse(outcome.stdout) as PieceTimes
}

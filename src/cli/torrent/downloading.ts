/**
 * What `torrent download` does: runs all its transfers, tells of them, and seeds afterwards if asked to.
 *
 * Owns the client and the order of things. Must not be loaded before the command runs.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { wrapInfo } from '../../torrent/entries/metainfo.js'
import type { Client } from '../../torrent/index.js'
import { untilAborted } from './aborting.js'
import { printable, type Context } from './context.js'
import { openClient, type NetworkInput } from './network-options.js'
import { formatBytes, formatRate, formatTime } from './quantities.js'
import { Transfer, type TransferEvents } from './transfer.js'
import { FigureKeeper, type AllFigures } from './transfer-figures.js'
import { reportTo, type TransferReport } from './transfer-report.js'

const STATUS_MS = 1000

/** What was given on the command line. */
export interface DownloadInput extends NetworkInput {
  readonly sources: readonly string[]
  /** An absolute path. */
  readonly output: string
  /** Patterns of files. */
  readonly file: readonly string[]
  readonly seed: boolean
  readonly sequential: boolean
  readonly verify: boolean
  readonly saveMetainfos: boolean
  readonly stats: boolean
}

/** Downloads. @returns the exit status */
export async function downloadAll(context: Context, input: DownloadInput): Promise<number> {
  const { signal } = context
  const started = performance.now()
  const transfers = input.sources.map(source => new Transfer(source))
  const report = await reportTo(context)
  const client = await openClient(input, { downloadDir: input.output })
  const watch = new Watch(transfers, report, started)
  try {
    const options = {
      patterns: input.file,
      isSequential: input.sequential,
      verifies: input.verify,
    }
    const events = eventsOf(report, async transfer => {
      if (input.saveMetainfos) await saveMetainfo(transfer, input.output)
    })
    // Whoever stops it ends all of them; the others do not end each other.
    const runs = transfers.map(transfer => transfer.run(client, options, events, signal).catch(() => false))
    const good = (await Promise.all(runs)).filter(isGood => isGood).length
    const isStopped = signal.aborted && good < transfers.length
    const failed = transfers.filter(({ state }) => state === 'failed').length
    // Of what never began there is nothing to tell.
    if (failed < transfers.length) watch.look()
    const seeds = input.seed && good > 0 && !signal.aborted
    if (!seeds) watch.stop()
    report.end({ completed: good, failed, all: transfers.length, isStopped })
    if (seeds) await untilAborted(signal)
    watch.stop()
    if (input.stats) printStats(context, client, watch.figures(), performance.now() - started)
    return good === transfers.length ? 0 : 1
  } finally {
    watch.stop()
    await client.close()
  }
}

/** Looks at the transfers once a second. */
class Watch {
  readonly #transfers: readonly Transfer[]
  readonly #report: TransferReport
  readonly #started: number
  readonly #keeper: FigureKeeper
  readonly #timer: NodeJS.Timeout

  constructor(transfers: readonly Transfer[], report: TransferReport, started: number) {
    this.#transfers = transfers
    this.#report = report
    this.#started = started
    this.#keeper = new FigureKeeper(started)
    this.#timer = setInterval(() => this.look(), STATUS_MS)
  }

  figures(): AllFigures {
    return this.#keeper.look(this.#transfers, performance.now())
  }

  look(): void {
    this.#report.status(Math.round((performance.now() - this.#started) / 1000), this.figures())
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#report.close()
  }
}

function eventsOf(report: TransferReport, prepare: (transfer: Transfer) => Promise<void>): TransferEvents {
  return {
    added: transfer => report.added(transfer),
    verified: (transfer, outcome) => report.verified(transfer, outcome),
    ready: transfer => {
      report.ready(transfer)
      prepare(transfer).catch((error: unknown) => report.warned(transfer, error as Error))
    },
    completed: transfer => report.completed(transfer),
    failed: (transfer, error) => report.failed(transfer, error),
    warned: (transfer, error) => report.warned(transfer, error),
  }
}

async function saveMetainfo({ torrent }: Transfer, folder: string): Promise<void> {
  if (torrent?.info === undefined) return
  const tiers: string[][] = []
  for (const { url, tier } of torrent.status().trackers) (tiers[tier] ??= []).push(url)
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${torrent.name}.torrent`)
  const trackers = tiers.filter(tier => tier !== undefined)
  await writeFile(path, wrapInfo(torrent.info.raw, { trackers }), { flag: 'wx' }).catch((error: unknown) => {
    // One that is there already may say more than we know.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  })
}

function printStats(context: Context, client: Client, figures: AllFigures, ms: number): void {
  const torrents = figures.each.map(({ transfer }) => transfer.torrent!.status())
  if (context.json) {
    context.printJson({ event: 'stats', ms: Math.round(ms), torrents }, { oneLine: true })
    return
  }
  for (const status of torrents) {
    const { usefulBytes, wastedBytes, failedPieces, uploadedBytes, knownAddresses } = status
    context.print(
      `${printable(status.name)}: downloaded ${formatBytes(usefulBytes)}, wasted ${formatBytes(wastedBytes)}, ` +
        `${failedPieces} pieces failed, uploaded ${formatBytes(uploadedBytes)}, ${knownAddresses} addresses`,
    )
  }
  const received = torrents.reduce((sum, { usefulBytes }) => sum + usefulBytes, 0)
  const average = formatRate((received / Math.max(ms, 1)) * 1000)
  context.print(`in all: ${formatTime(ms)}, ${average} on average, port ${client.port}`)
}

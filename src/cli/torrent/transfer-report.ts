/**
 * What a user sees of transfers: bars on a terminal, plain lines elsewhere, lines of JSON when asked for.
 *
 * Owns the wording. Must not know where figures come from.
 */

import type { VerifyProgress } from '../../torrent/index.js'
import { printable, type Context } from './context.js'
import type { ProgressBar, ProgressBars } from './progress.js'
import { formatBytes, formatRate, formatTime } from './quantities.js'
import type { Transfer, TransferEvents, VerifyOutcome } from './transfer.js'
import type { AllFigures, TransferFigures } from './transfer-figures.js'

/** Where transfers are told of. */
export interface TransferReport extends TransferEvents {
  /** Once a second. @param seconds since the start */
  status(seconds: number, figures: AllFigures): void
  /** Nothing is told afterwards but by `end`. */
  close(): void
  /** The last word. */
  end(outcome: TransfersEnd): void
}

/** How it ended. */
export interface TransfersEnd {
  readonly completed: number
  readonly failed: number
  readonly all: number
  /** Someone asked for an end before all was there. */
  readonly isStopped: boolean
}

/** `12s: 1 torrents, 1 infos, 5.2 MB/129 MB ready, upload 0 B, download 1.7 MB/s` */
export function statusLine(seconds: number, figures: AllFigures): string {
  const { torrents, infos, stored, wanted, uploaded, rate } = figures
  return (
    `${seconds}s: ${torrents} torrents, ${infos} infos, ${formatBytes(stored)}/${formatBytes(wanted)} ready, ` +
    `upload ${formatBytes(uploaded)}, download ${formatRate(rate)}`
  )
}

/** What stands behind a bar. */
export function barNote({ wanted, stored, rate, peers, leftMs }: TransferFigures): string {
  const connected = `${peers} peer${peers === 1 ? '' : 's'}`
  if (wanted === stored && wanted > 0) return `${formatBytes(wanted)}, done, ${connected}`
  return `${formatBytes(stored)}/${formatBytes(wanted)}, ${formatRate(rate)}, ${connected}, ETA ${formatTime(leftMs)}`
}

function hashNote({ done, total }: VerifyProgress): string {
  return `hashing what is here, ${done} of ${total} pieces`
}

/** The report that suits the output. */
export async function reportTo(context: Context): Promise<TransferReport> {
  if (context.json) return new JsonReport(context)
  const bars = await context.bars()
  return bars === undefined ? new LineReport(context) : new BarReport(context, bars)
}

class LineReport implements TransferReport {
  readonly #context: Context
  #last = ''

  constructor(context: Context) {
    this.#context = context
  }

  added(): void {}

  verified(transfer: Transfer, { good, pieces }: VerifyOutcome): void {
    this.say(`hashed ${printable(transfer.name)}: ${good} of ${pieces} pieces are here`)
  }

  ready(): void {}

  completed(transfer: Transfer): void {
    this.say(`downloaded ${printable(transfer.name)} (${formatBytes(transfer.wanted)})`)
  }

  failed(transfer: Transfer, error: Error): void {
    this.complain(failure(transfer, error))
  }

  warned(transfer: Transfer, error: Error): void {
    this.complain(failure(transfer, error))
  }

  status(seconds: number, figures: AllFigures): void {
    const line = statusLine(seconds, figures)
    const said = line.slice(line.indexOf(':'))
    if (said !== this.#last) this.say(line)
    this.#last = said
  }

  close(): void {}

  end({ completed, failed, all, isStopped }: TransfersEnd): void {
    if (isStopped) this.complain(`stopped: ${completed} of ${all} are here; run it again to go on`)
    else if (failed > 0) this.complain(`${failed} of ${all} failed`)
    else this.say('downloaded ALL the torrents')
  }

  protected say(line: string): void {
    this.#context.print(line)
  }

  protected complain(line: string): void {
    this.#context.warn(line)
  }
}

class BarReport extends LineReport {
  readonly #context: Context
  readonly #bars: ProgressBars
  readonly #of = new Map<Transfer, { readonly bar: ProgressBar; total: number }>()
  #open = true

  constructor(context: Context, bars: ProgressBars) {
    super(context)
    this.#context = context
    this.#bars = bars
  }

  override status(seconds: number, { each }: AllFigures): void {
    for (const figures of each) {
      const { transfer, wanted, stored, peers } = figures
      const known = this.#of.get(transfer) ?? { bar: this.#bars.add(transfer.name, 0), total: 0 }
      this.#of.set(transfer, known)
      if (wanted !== known.total) known.bar.setTotal((known.total = wanted))
      if (transfer.state === 'metadata') known.bar.update(0, `${seconds}s, looking for it, ${peers} peers`)
      else
        known.bar.update(stored, transfer.hashed === undefined ? barNote(figures) : hashNote(transfer.hashed))
    }
  }

  override failed(transfer: Transfer, error: Error): void {
    this.#of.get(transfer)?.bar.remove()
    super.failed(transfer, error)
  }

  override close(): void {
    if (!this.#open) return
    this.#open = false
    this.#bars.close()
  }

  // A bar says it all.
  override completed(): void {}

  protected override say(line: string): void {
    if (this.#open && this.#context.stdout.isTTY) this.#bars.print(line)
    else super.say(line)
  }

  protected override complain(line: string): void {
    if (this.#open) this.#bars.print(`${this.#context.name}: ${line}`)
    else super.complain(line)
  }
}

/** A line of JSON for each event, and for the status once a second. */
class JsonReport implements TransferReport {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  added(transfer: Transfer): void {
    this.#tell('added', transfer)
  }

  verified(transfer: Transfer, outcome: VerifyOutcome): void {
    this.#tell('verified', transfer, outcome)
  }

  ready(transfer: Transfer): void {
    this.#tell('ready', transfer, {
      length: transfer.torrent?.info?.length,
      wanted: transfer.wanted,
      stored: transfer.stored,
      files: transfer.files.map(({ index, path, length }) => ({ index, path: path.join('/'), length })),
    })
  }

  completed(transfer: Transfer): void {
    this.#tell('completed', transfer, { bytes: transfer.wanted })
  }

  failed(transfer: Transfer, error: Error): void {
    this.#tell('failed', transfer, problem(error))
  }

  warned(transfer: Transfer, error: Error): void {
    this.#tell('warning', transfer, problem(error))
  }

  status(seconds: number, figures: AllFigures): void {
    const { each, torrents, infos, wanted, stored, rate, uploaded } = figures
    this.#print({
      event: 'status',
      seconds,
      torrents,
      infos,
      wanted,
      stored,
      downloadRate: rate,
      uploaded,
      each: each.map(({ transfer, leftMs, rate: downloadRate, ...rest }) => ({
        infohash: transfer.torrent?.infohash,
        ...rest,
        downloadRate,
        // JSON has no infinity.
        leftMs: Number.isFinite(leftMs) ? Math.round(leftMs) : null,
      })),
    })
  }

  close(): void {}

  end({ completed, failed, all, isStopped }: TransfersEnd): void {
    this.#print({ event: 'end', all, completed, failed, stopped: isStopped })
  }

  #tell(event: string, transfer: Transfer, more: object = {}): void {
    const { torrent, source } = transfer
    this.#print({
      event,
      source,
      ...(torrent === undefined ? {} : { infohash: torrent.infohash, name: torrent.name }),
      ...more,
    })
  }

  #print(value: object): void {
    this.#context.printJson(value, { oneLine: true })
  }
}

function problem(error: Error): object {
  const { code } = error as { readonly code?: unknown }
  return { ...(typeof code === 'string' ? { code } : {}), message: error.message }
}

/** The message, with the source before it unless it is named already. */
function failure(transfer: Transfer, error: Error): string {
  const named = [transfer.source, transfer.name].some(name => error.message.includes(name))
  return printable(named ? error.message : `${shortened(transfer.name)}: ${error.message}`)
}

function shortened(source: string): string {
  return source.length > 100 ? `${source.slice(0, 97)}...` : source
}

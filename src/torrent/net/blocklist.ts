/**
 * The blocklists a user names: files and URLs, read at start and again when they change.
 *
 * Owns where lists come from and when they are read; the ranges of all of them go to the {@link IpFilter} as one. A list
 * that cannot be read again leaves its old ranges in force. Must not decide what is blocked where.
 */
import { createHash } from 'node:crypto'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { causedBy, messageOf, TorrentError } from '../errors.js'
import type { Logger } from '../logger.js'
import { readBlocklist, type BlocklistReading } from './blocklist-reader.js'
import type { IpFilter } from './ip-filter.js'
import { RangeCollector } from './ip-ranges.js'

/** Fetches a URL into a file, which is made or overwritten. @throws TorrentError, ERR_TORRENTFS_ABORTED on abort */
export type Download = (url: URL, path: string, signal: AbortSignal) => Promise<void>

export interface BlocklistOptions {
  /** Paths of files, and URLs of http or https. */
  readonly sources: readonly string[]
  readonly filter: IpFilter
  /** Where what was fetched is kept for the next start; made when it is needed. */
  readonly cacheDir: string
  readonly download: Download
  readonly logger: Logger
  /** After each change of the ranges in force. */
  readonly onChange?: () => void
  /** Between two looks at the files, ms. Default: 5 s. */
  readonly watchMs?: number
  /** Age at which what was fetched is fetched again, ms. Default: a day. */
  readonly refreshMs?: number
  /** After a failure to fetch, ms. Default: 10 minutes. */
  readonly retryMs?: number
  /** How long the start waits for a URL that was never fetched, ms. Default: 10 s. */
  readonly patienceMs?: number
}

interface List {
  readonly source: string
  readonly url: URL | undefined
  /** The file that is read: the source itself, or what was fetched from it. */
  readonly path: string
  /** Size and time of the file that is in force. */
  state: string
  /** When to fetch it next, by `Date.now()`. */
  fetchAt: number
}

const WATCH_MS = 5000
const REFRESH_MS = 24 * 3_600_000
const RETRY_MS = 10 * 60_000
const PATIENCE_MS = 10_000
const ABSENT = 'absent'

export class Blocklist {
  readonly #o: BlocklistOptions
  readonly #lists: readonly List[]
  readonly #lifetime = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #care: Promise<void> = Promise.resolve()

  constructor(o: BlocklistOptions) {
    this.#o = o
    this.#lists = o.sources.map(source => {
      const url = urlOf(source)
      const path = url === undefined ? source : join(o.cacheDir, `${nameOf(url)}.blocklist`)
      return {
        source: url === undefined ? source : labelOf(url),
        url,
        path,
        state: ABSENT,
        fetchAt: Infinity,
      }
    })
  }

  /**
   * Puts the lists in force, and looks after them from now on. A URL that was fetched before does not wait for the
   * network.
   *
   * @throws ERR_TORRENTFS_BLOCKLIST naming the file that cannot be read: to go on would be to block nothing
   */
  async start(): Promise<void> {
    await Promise.all(this.#lists.map(list => this.#schedule(list)))
    const missing = this.#lists.filter(list => list.fetchAt === 0)
    await Promise.all(missing.map(list => this.#fetchFirst(list)))
    await this.#read(true)
    if (this.#lifetime.signal.aborted) return
    this.#timer = setInterval(() => this.#look(), this.#o.watchMs ?? WATCH_MS)
    this.#timer.unref()
  }

  /** Looks whether anything is to be read or fetched again, now; resolves when that is done. */
  async refresh(): Promise<void> {
    this.#look()
    await this.#care
  }

  /** Idempotent. What is in force stays so. */
  close(): void {
    clearInterval(this.#timer)
    this.#lifetime.abort()
  }

  #look(): void {
    // One look at a time, whatever it takes.
    this.#care = this.#care.then(() => this.#lookOnce()).catch(() => undefined)
  }

  async #lookOnce(): Promise<void> {
    if (this.#lifetime.signal.aborted) return
    for (const list of this.#lists) if (list.fetchAt <= Date.now()) await this.#fetch(list)
    const states = await Promise.all(this.#lists.map(({ path }) => stateOf(path)))
    const changed = this.#lists.some((list, i) => states[i] !== ABSENT && states[i] !== list.state)
    if (!changed || this.#lifetime.signal.aborted) return
    try {
      await this.#read(false)
      this.#o.onChange?.()
    } catch (error) {
      // Not again until it changes again.
      this.#lists.forEach((list, i) => (list.state = states[i]!))
      this.#o.logger.warn({}, `${messageOf(error)}; what was blocked before still is`)
    }
  }

  /** Reads all lists and puts their ranges in force. At the start what was fetched once may be broken by now. */
  async #read(starting: boolean): Promise<void> {
    const started = performance.now()
    const ranges = new RangeCollector()
    for (const list of this.#lists) {
      const state = await stateOf(list.path)
      if (state === ABSENT && list.url !== undefined) continue
      try {
        this.#complain(list, await readBlocklist(list.path, list.source, ranges))
      } catch (error) {
        if (!starting || list.url === undefined) throw error
        this.#o.logger.warn({ list: list.source }, `${messageOf(error)}: fetching it anew`)
        list.fetchAt = 0
      }
      list.state = state
    }
    const set = await ranges.finish()
    this.#o.filter.replace(set)
    this.#o.logger.info(
      { ranges: set.size, bytes: set.byteLength, tookMs: Math.round(performance.now() - started) },
      `blocklist: ${set.size} ranges of addresses are blocked`,
    )
  }

  #complain({ source }: List, { broken, firstBroken }: BlocklistReading): void {
    if (firstBroken === undefined) return
    const lines = broken === 1 ? '1 line makes' : `${broken} lines make`
    this.#o.logger.warn({ list: source }, `${firstBroken}: not a range; ${lines} no sense`)
  }

  async #schedule(list: List): Promise<void> {
    if (list.url === undefined) return
    const fetched = await stat(list.path).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    )
    // A clock that was set back must not put it off for years.
    const age = fetched === undefined ? Infinity : Math.max(0, Date.now() - fetched)
    const refreshMs = this.#o.refreshMs ?? REFRESH_MS
    list.fetchAt = fetched === undefined ? 0 : Date.now() + Math.max(0, refreshMs - age)
  }

  async #fetchFirst(list: List): Promise<void> {
    const fetching = this.#fetch(list)
    const patience = new AbortController()
    await Promise.race([
      fetching,
      new Promise<void>(resolve => {
        const timer = setTimeout(resolve, this.#o.patienceMs ?? PATIENCE_MS)
        patience.signal.addEventListener('abort', () => clearTimeout(timer))
      }),
    ])
    patience.abort()
    if (list.fetchAt === 0) {
      this.#o.logger.warn({ list: list.source }, `${list.source}: not here yet; it blocks nothing until then`)
      // The fetch goes on, and its end is looked for.
      this.#care = fetching
    }
  }

  /** Fetches a list beside the old one, which goes only when the new one makes sense. Never rejects. */
  async #fetch(list: List): Promise<void> {
    const { url, path, source } = list
    if (url === undefined) return
    const beside = `${path}.new`
    try {
      await mkdir(this.#o.cacheDir, { recursive: true })
      await this.#o.download(url, beside, this.#lifetime.signal)
      await readBlocklist(beside, source, new RangeCollector())
      await rename(beside, path)
      list.fetchAt = Date.now() + (this.#o.refreshMs ?? REFRESH_MS)
    } catch (error) {
      await rm(beside, { force: true }).catch(() => undefined)
      if (this.#lifetime.signal.aborted) return
      list.fetchAt = Date.now() + (this.#o.retryMs ?? RETRY_MS)
      const kept = (await stateOf(path)) === ABSENT ? 'there is none yet' : 'the old one stays in force'
      this.#o.logger.warn({ list: source }, `${messageOf(error)}; ${kept}`)
    }
  }
}

/** @throws ERR_TORRENTFS_ARGUMENT when a source cannot be one */
export function checkBlocklistSource(source: string): void {
  if (source === '') throw new TorrentError('ERR_TORRENTFS_ARGUMENT', 'blocklist: a file or a URL is needed')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]
  if (scheme === undefined) return
  if (!/^https?$/i.test(scheme) || !URL.canParse(source))
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `blocklist: ${source} is no URL of http or https`)
}

function urlOf(source: string): URL | undefined {
  return /^https?:\/\//i.test(source) && URL.canParse(source) ? new URL(source) : undefined
}

function nameOf(url: URL): string {
  return createHash('sha1').update(url.href).digest('hex').slice(0, 16)
}

/** How a URL is named: a query may hold a subscriber's key. */
function labelOf(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`
}

async function stateOf(path: string): Promise<string> {
  try {
    const { size, mtimeMs, ino } = await stat(path)
    return `${size} ${mtimeMs} ${ino}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ABSENT
    throw causedBy(error, 'ERR_TORRENTFS_BLOCKLIST', path)
  }
}

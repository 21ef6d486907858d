/**
 * Keeps the engine's torrents the same as the metainfo files of one folder, from start to close.
 *
 * Owns the folder's watch, the timers and the order of things: one round at a time looks at the folder, loads what is new
 * or changed, and takes out what no file claims any more. Any event, whatever it says, is only a reason for a round.
 * Must not decide what to do (`plan`, `Claims` and `Complaints` do) nor decode a file (the engine does).
 */

import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../torrent/index.js'
import { Claims } from './claims.js'
import { Complaints } from './complaints.js'
import { FolderEvents } from './folder-events.js'
import { displayName, identify, look, nameOf } from './folder-scan.js'
import type { FolderIdentity, FolderLook } from './folder-scan.js'
import { metainfoKind, plan } from './plan.js'
import type { Action } from './plan.js'
import type { TorrentPort } from './ports.js'
import { loadSource } from './source-loader.js'

/** How the watcher paces itself, in ms. The defaults keep the tree within 2 s of the folder. */
export interface WatchTimes {
  /** From an event to the round it causes; more events do not put it off. */
  readonly gather: number
  /** Between two looks at the folder's own state, which notice what events do not (network file systems; a lost folder). */
  readonly poll: number
  /** Between two looks at every file when events work. */
  readonly sweep: number
  /** How long a torrent outlives the last file that claimed it. */
  readonly grace: number
  /** How long a broken file must have been left alone before it is spoken of and its old torrents are let go. */
  readonly settle: number
  /** The same for a file that was spoken of already. */
  readonly settleAgain: number
}

const DEFAULT_TIMES: WatchTimes = {
  gather: 60,
  poll: 500,
  sweep: 30_000,
  grace: 700,
  settle: 1000,
  settleAgain: 30_000,
}

/** Files loaded at once. The engine decodes on the main thread; more would only hold more of them in memory. */
const LOADS_AT_ONCE = 8
/** The engine is not waited for longer than this (ms) when a torrent is taken out: the folder goes on. */
const REMOVAL_PATIENCE = 2000

/** What a {@link MetainfoWatcher} is made of. */
export interface MetainfoWatcherOptions {
  /** The folder; it need not exist yet. */
  readonly folder: string
  readonly torrents: TorrentPort
  readonly logger?: Logger
  readonly times?: Partial<WatchTimes>
}

/** A snapshot of the watch. */
export interface WatchStatus {
  readonly folder: string
  /** False while the folder is not there. */
  readonly present: boolean
  /** Metainfo files in the folder. */
  readonly files: number
  /** Torrents they stand for. */
  readonly torrents: number
  /** Files that cannot be used. */
  readonly broken: number
}

const SILENT: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'> = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

/** Watches one folder of `.torrent` and `.magnet` files. */
export class MetainfoWatcher {
  readonly #folder: string
  readonly #torrents: TorrentPort
  readonly #log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>
  readonly #times: WatchTimes
  readonly #claims: Claims
  readonly #complaints: Complaints

  #known = new Map<string, string>()
  #suspects: Set<string> | 'all' = 'all'
  #identity: FolderIdentity | undefined
  #absent: string | undefined
  #events: FolderEvents | undefined
  /** The last attempt to begin watching; the one before it is over by then. */
  #arming: Promise<void> | undefined
  /** Why events do not work, once they have failed: every file is looked at often then. */
  #blind: string | undefined
  #lastSweep = 0
  #sweepCost = 0

  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #poll: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #closed = false

  constructor(options: MetainfoWatcherOptions) {
    this.#folder = resolve(options.folder)
    this.#torrents = options.torrents
    this.#log = options.logger ?? SILENT
    this.#times = { ...DEFAULT_TIMES, ...options.times }
    this.#claims = new Claims(this.#times.grace)
    this.#complaints = new Complaints({ first: this.#times.settle, again: this.#times.settleAgain })
  }

  /** Loads what is there and watches from then on. Resolves when every file present has been given to the engine. */
  async start(): Promise<WatchStatus> {
    await this.#run()
    if (!this.#closed) this.#poll = setInterval(() => void this.#checkFolder(), this.#times.poll)
    return this.status()
  }

  /** Plain data, made on the spot. */
  status(): WatchStatus {
    return {
      folder: this.#folder,
      present: this.#absent === undefined,
      files: this.#known.size,
      torrents: this.#claims.size,
      broken: this.#complaints.size,
    }
  }

  /** Ends the watch and leaves the torrents as they are. Idempotent; no call into the engine follows once it resolves. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearInterval(this.#poll)
    await this.#round
    await this.#arming
    await this.#events?.close()
    this.#events = undefined
  }

  #schedule(delay: number): void {
    const at = Date.now() + Math.max(0, delay)
    if (this.#closed || at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(() => void this.#run(), at - Date.now())
  }

  #suspect(name: string | undefined): void {
    // A name that is not UTF-8 arrives mangled: then every file is suspect.
    if (name === undefined || name.includes('\uFFFD')) this.#suspects = 'all'
    else if (this.#suspects !== 'all') this.#suspects.add(nameOf(name))
    this.#schedule(this.#times.gather)
  }

  async #checkFolder(): Promise<void> {
    if (this.#round !== undefined) return
    const identity = await identify(this.#folder).catch(() => undefined)
    if (identity?.version !== this.#identity?.version) this.#schedule(0)
    const sweep =
      this.#blind === undefined ? this.#times.sweep : Math.max(2 * this.#times.poll, 20 * this.#sweepCost)
    if (identity !== undefined && Date.now() - this.#lastSweep >= sweep) this.#suspect(undefined)
  }

  /** One round, never two at once; what is asked for meanwhile is done by the next. */
  async #run(): Promise<void> {
    this.#timerAt = Infinity
    if (this.#round !== undefined) {
      this.#schedule(this.#times.gather)
      return
    }
    if (this.#closed) return
    this.#round = this.#doRound().catch((error: unknown) => {
      this.#log.error(
        { folder: this.#folder, err: error },
        'the metainfo folder could not be followed; trying again',
      )
      this.#suspects = 'all'
      this.#schedule(this.#times.sweep)
    })
    await this.#round
    this.#round = undefined
  }

  async #doRound(): Promise<void> {
    const seen = await this.#look()
    if (seen !== undefined) {
      const actions = plan(this.#known, seen)
      this.#known = seen
      await this.#perform(actions)
    }
    if (this.#closed) return
    this.#settleComplaints()
    // While the folder is gone nothing is taken out: what looks removed may only be out of sight.
    if (this.#absent === undefined) await this.#takeOut(this.#claims.takeDue(Date.now()))
    const due = Math.min(
      (this.#absent === undefined ? this.#claims.nextDue : undefined) ?? Infinity,
      this.#complaints.nextDue ?? Infinity,
    )
    if (due !== Infinity) this.#schedule(due - Date.now())
  }

  /** The folder as it is, or `undefined` while it is not there. */
  async #look(): Promise<Map<string, string> | undefined> {
    const suspects = this.#suspects
    this.#suspects = new Set()
    const began = Date.now()
    const place = (await identify(this.#folder).catch(() => undefined))?.place
    const isNew = this.#absent !== undefined || place !== this.#identity?.place
    if (isNew && place !== undefined) this.#arming = this.#watchFolder()
    const seen = await look(this.#folder, this.#known, isNew ? 'all' : suspects)
    if (seen.kind === 'absent') return this.#lost(seen.reason)
    if (this.#looksUnmounted(seen)) {
      return this.#lost('it is empty and on another file system than before: was a disk unmounted?')
    }
    if (isNew || suspects === 'all') {
      this.#lastSweep = Date.now()
      this.#sweepCost = this.#lastSweep - began
    }
    if (this.#absent !== undefined) {
      this.#log.info({ folder: this.#folder }, 'the metainfo folder is there again')
      this.#claims.renew(Date.now())
    }
    this.#absent = undefined
    this.#identity = seen.identity
    return seen.files
  }

  #looksUnmounted(seen: FolderLook & { kind: 'present' }): boolean {
    return (
      this.#identity !== undefined &&
      this.#identity.device !== seen.identity.device &&
      seen.files.size === 0 &&
      this.#known.size > 0
    )
  }

  #lost(reason: string): undefined {
    if (this.#absent === undefined) {
      const fields = { folder: this.#folder, reason }
      if (this.#identity === undefined) {
        this.#log.warn(fields, 'the metainfo folder is not there yet; waiting for it to appear')
      } else {
        this.#log.warn(
          fields,
          'the metainfo folder has vanished; keeping its torrents and waiting for it to come back',
        )
      }
    }
    this.#absent = reason
    this.#suspects = 'all'
    const events = this.#events
    this.#events = undefined
    void events?.close()
  }

  /** Not waited for by the first look: with 10,000 files chokidar takes longer to begin than we do to list them. */
  async #watchFolder(): Promise<void> {
    await this.#arming
    await this.#events?.close()
    this.#blind = undefined
    const events = await FolderEvents.open(this.#folder, {
      changed: name => this.#suspect(name),
      failed: error => {
        if (this.#blind !== undefined || this.#closed) return
        this.#blind = error.message
        // A folder that is gone is reported as that, by the next look.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
        this.#log.warn(
          { folder: this.#folder, reason: error.message },
          'changes in the metainfo folder are not announced by the system; looking at every file instead',
        )
      },
    })
    this.#events = events
    // What was changed after it was looked at and before events began is found by another look, once things are calm.
    this.#suspects = 'all'
    this.#schedule(this.#times.settle)
  }

  async #perform(actions: readonly Action[]): Promise<void> {
    for (const kind of ['torrent', 'magnet'] as const) {
      const loads = actions.filter(action => action.kind === 'load' && metainfoKind(action.name) === kind)
      let next = 0
      const work = async (): Promise<void> => {
        for (let action = loads[next++]; action !== undefined && !this.#closed; action = loads[next++]) {
          await this.#load(action.name)
        }
      }
      await Promise.all(Array.from({ length: Math.min(LOADS_AT_ONCE, loads.length) }, work))
    }
    for (const { kind, name } of actions) {
      if (kind === 'forget') this.#forget(name)
    }
  }

  #forget(name: string): void {
    this.#complaints.clear(name)
    this.#claims.drop(name, Date.now())
  }

  async #load(name: string): Promise<void> {
    const outcome = await loadSource(this.#folder, name, this.#torrents)
    if (outcome === undefined) {
      this.#known.delete(name)
      this.#forget(name)
      return
    }
    const { infohashes, trouble, fingerprint } = outcome
    if (fingerprint !== undefined) this.#known.set(name, fingerprint)
    const now = Date.now()
    if (trouble === undefined) {
      this.#complaints.clear(name)
      this.#claims.set(name, infohashes, now)
      return
    }
    // It may be half-written: what it stood for before stays until it has been left alone for a while.
    this.#claims.set(name, [...infohashes, ...this.#claims.of(name)], now)
    this.#complaints.failed(name, { reason: trouble, usable: infohashes }, now)
    this.#log.debug({ file: displayName(name), reason: trouble }, 'metainfo file cannot be used as it is')
  }

  #settleComplaints(): void {
    const now = Date.now()
    for (const { file, reason, usable, tell } of this.#complaints.takeDue(now)) {
      this.#claims.set(file, usable, now)
      if (!tell) continue
      const path = `${this.#folder}/${displayName(file)}`
      this.#log.warn(
        { file: path, reason },
        'metainfo file cannot be used; it is tried again when it changes',
      )
    }
  }

  async #takeOut(infohashes: readonly string[]): Promise<void> {
    if (infohashes.length === 0) return
    const removals = infohashes.map(async infohash => {
      try {
        await this.#torrents.remove(infohash)
      } catch (error) {
        this.#log.error({ infohash, err: error }, 'a torrent could not be taken out')
      }
    })
    const done = new AbortController()
    const patience = delay(REMOVAL_PATIENCE, undefined, { signal: done.signal }).catch(() => undefined)
    await Promise.race([Promise.all(removals), patience])
    done.abort()
  }
}

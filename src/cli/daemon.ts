/**
 * The daemon's life: engine, mount and watch come up in order, serve, and go down in order and in time.
 *
 * Owns the three and nothing of what they do. Must not handle signals nor end the process (`main` does).
 */

import { setTimeout as delay } from 'node:timers/promises'
import { chooseBackend, mountTorrents } from '../fs/index.js'
import type { Mount } from '../fs/index.js'
import { Client } from '../torrent/index.js'
import type { Torrent } from '../torrent/index.js'
import { MetainfoWatcher } from '../watch/index.js'
import type { TorrentPort } from '../watch/index.js'
import type { DaemonConfig } from './daemon-flags.js'
import type { DaemonLog } from './log.js'
import { makeStorage } from './storage-choice.js'
import { reportStatus } from './status-report.js'

/** ms from the wish to end to the end: what has not ended by then is left behind. */
const STOP_DEADLINE_MS = 2700
/** ms an unmount may take before the engine is closed beside it. */
const UNMOUNT_HEAD_START_MS = 700
/** ms the ready line waits for the storage of the torrents that were present. */
const OPENING_PATIENCE_MS = 10_000

/** One run of the daemon. */
export class Daemon {
  readonly #config: DaemonConfig
  readonly #log: DaemonLog
  readonly #client: Client
  #mount: Mount | undefined
  #watcher: MetainfoWatcher | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  readonly #startedAt = Date.now()

  /** @throws ERR_TORRENTFS_ARGUMENT */
  constructor(config: DaemonConfig, log: DaemonLog) {
    this.#config = config
    this.#log = log
    const { host, port } = config.listenAddr
    this.#client = new Client({
      downloadDir: config.downloadDir,
      storage: makeStorage(config.storage, { ...config, logger: log }),
      listenAddr: host === '' ? { port } : { host, port },
      testPeers: config.testPeers,
      disableTrackers: config.disableTrackers,
      disableDht: config.disableDht,
      ...(config.dhtBootstrap === undefined ? {} : { dhtBootstrap: config.dhtBootstrap }),
      disablePex: config.disablePex,
      disableLsd: config.disableLsd,
      maxDownloadRate: config.maxDownloadRate,
      maxUploadRate: config.maxUploadRate,
      disableUpload: config.disableUpload,
      maxPeers: config.maxPeers,
      maxPeersPerTorrent: config.maxPeersPerTorrent,
      encryption: config.encryption,
      ...(config.proxy === undefined ? {} : { proxy: config.proxy }),
      blocklist: config.blocklist,
      ...(config.bindInterface === undefined ? {} : { bindInterface: config.bindInterface }),
      disablePortMapping: config.disablePortMapping,
      anonymous: config.anonymous,
      disableUtp: config.disableUtp,
      disableWebSeeds: config.disableWebseeds,
      disableTcp: config.disableTcp,
      readaheadBytes: config.readaheadBytes,
      ...(config.cacheBytes === undefined ? {} : { cacheBytes: config.cacheBytes }),
      logger: log,
    })
  }

  /**
   * Brings everything up, and resolves when the tree shows what the folder holds.
   *
   * @param unmounted called when the mount went away without our doing; with an error when it failed
   * @throws what went wrong; `stop` must be called all the same
   */
  start(unmounted: (failure: Error | undefined) => void): Promise<void> {
    return (this.#starting ??= this.#start(unmounted))
  }

  /**
   * Takes everything down: blocked reads fail, the tree goes, state is written. Idempotent.
   *
   * @throws when the mount could not be taken away; all else is down then
   */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  /** Logs what the daemon is doing. */
  report(): void {
    reportStatus(this.#log, {
      startedAt: this.#startedAt,
      torrents: this.#client.torrents,
      client: this.#client.status(),
      watch: this.#watcher?.status(),
    })
  }

  async #start(unmounted: (failure: Error | undefined) => void): Promise<void> {
    const { mountDir, metainfoDir, downloadDir, allowOther, readTimeoutMs, readaheadBytes } = this.#config
    await this.#client.listen()
    if (this.#stopping !== undefined) return
    // The mount comes before the torrents: the store then sees a mount point for what it is.
    const mount = await mountTorrents({
      mountDir,
      backend: chooseBackend(this.#config.fuseBackend, this.#log),
      allowOther,
      readTimeoutMs,
      readaheadBytes,
      logger: this.#log,
    })
    this.#mount = mount
    if (this.#stopping !== undefined) return
    void mount.closed.then(failure => {
      if (this.#stopping === undefined) unmounted(failure)
    })
    const watcher = new MetainfoWatcher({
      folder: metainfoDir,
      torrents: this.#port(mount),
      logger: this.#log,
    })
    this.#watcher = watcher
    const { torrents, broken } = await watcher.start()
    await this.#opened()
    if (this.#stopping !== undefined) return
    const { port } = this.#client
    const count = `${torrents} torrent${torrents === 1 ? '' : 's'}`
    this.#log.announce(
      {
        mountDir: mount.mountDir,
        metainfoDir,
        downloadDir,
        port,
        torrents,
        broken,
        tookMs: Date.now() - this.#startedAt,
      },
      `ready: ${count} mounted at ${mount.mountDir}`,
    )
  }

  /** Where the watch's torrents go: into the engine, and into the tree with the time of their file. */
  #port(mount: Mount): TorrentPort {
    return {
      add: (source, origin) => {
        const torrent = this.#client.addNow(source)
        mount.add(torrent, { mtimeMs: origin.modified })
        return torrent
      },
      // Nobody would count what a torrent leaves behind that is not there any more.
      remove: infohash =>
        this.#client.remove(infohash, { deleteData: this.#config.cacheBytes !== undefined }),
    }
  }

  /** Waits for the torrents whose metadata is known to show their files. */
  async #opened(): Promise<void> {
    const opening = [...this.#client.torrents].filter(torrent => torrent.info !== undefined && !torrent.ready)
    if (opening.length === 0) return
    const patience = new AbortController()
    await Promise.race([
      Promise.all(opening.map(settled)),
      delay(OPENING_PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined),
    ])
    patience.abort()
  }

  async #stop(): Promise<void> {
    const deadline = new AbortController()
    const late = delay(STOP_DEADLINE_MS, true, { signal: deadline.signal }).catch(() => false)
    const down = this.#takeDown()
    try {
      const isLate = await Promise.race([down.then(() => false), late])
      if (isLate)
        this.#log.warn({ afterMs: STOP_DEADLINE_MS }, 'not everything has ended in time; ending anyway')
    } finally {
      deadline.abort()
      down.catch(() => undefined)
    }
  }

  async #takeDown(): Promise<void> {
    // A mount that is being made must be there before it can be taken away.
    if (this.#mount === undefined) await this.#starting?.catch(() => undefined)
    const watching = this.#watcher?.close()
    const unmounting = this.#mount?.unmount()
    unmounting?.catch(() => undefined)
    // Readers are answered and the tree is gone before the engine ends, unless that takes too long.
    await Promise.race([unmounting?.catch(() => undefined), delay(UNMOUNT_HEAD_START_MS)])
    await Promise.all([this.#client.close(), watching])
    await unmounting
  }
}

/** Resolves when a torrent shows its files or never will. */
function settled(torrent: Torrent): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      for (const event of ['ready', 'removed', 'warning'] as const) torrent.off(event, end)
      resolve()
    }
    for (const event of ['ready', 'removed', 'warning'] as const) torrent.on(event, end)
  })
}

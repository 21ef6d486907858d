/**
 * The places a magnet link names for the torrent file itself (`xs`, `as`): asked until one has the right one.
 *
 * Owns the attempts and when to try again. What does not match the infohash is not used, and its place not asked again.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import type { MetainfoFetcher } from './discovery/metainfo-fetcher.js'
import { messageOf, TorrentError } from './errors.js'
import type { Logger } from './logger.js'
import { parseMetainfo } from './metainfo/metainfo.js'

/** Places of one torrent that are asked; the rest is not looked at. */
const MAX_SOURCES = 16
const FIRST_RETRY_MS = 15_000
const LONGEST_RETRY_MS = 3_600_000

export interface MetainfoSourcesOptions {
  /** 40 hexadecimal digits. */
  readonly infohash: string
  readonly fetcher: MetainfoFetcher
  /** The bytes of a torrent file with the infohash. */
  readonly found: (metainfo: Uint8Array) => void
  readonly logger: Logger
}

export class MetainfoSources {
  readonly #o: MetainfoSourcesOptions
  readonly #end = new AbortController()
  readonly #urls = new Set<string>()

  constructor(options: MetainfoSourcesOptions) {
    this.#o = options
  }

  /** Asks these places too, all at once. */
  add(urls: readonly string[]): void {
    for (const url of urls) {
      if (this.#end.signal.aborted || this.#urls.has(url) || this.#urls.size === MAX_SOURCES) continue
      this.#urls.add(url)
      void this.#ask(url)
    }
  }

  /** The metadata is known, or nobody wants it any more. */
  stop(): void {
    this.#end.abort()
  }

  /** Never rejects. */
  async #ask(url: string): Promise<void> {
    const { signal } = this.#end
    for (let delay = FIRST_RETRY_MS; !signal.aborted; delay = Math.min(2 * delay, LONGEST_RETRY_MS)) {
      try {
        const bytes = await this.#o.fetcher.fetch(url, signal)
        if (!signal.aborted) this.#judge(bytes)
        return
      } catch (error) {
        if (signal.aborted) return
        this.#o.logger.debug(
          { infohash: this.#o.infohash, error: messageOf(error) },
          'no torrent file from a magnet link',
        )
        if (!(error instanceof TorrentError) || error.code === 'ERR_TORRENTFS_METAINFO') return
      }
      await sleep(delay, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** @throws ERR_TORRENTFS_METAINFO when it is not what was promised */
  #judge(bytes: Uint8Array | undefined): void {
    let infohash: string | undefined
    try {
      infohash = bytes && parseMetainfo(bytes).info.infohash
    } catch {
      // As good as none.
    }
    if (bytes === undefined || infohash !== this.#o.infohash)
      throw new TorrentError('ERR_TORRENTFS_METAINFO', 'not the torrent file that was promised')
    this.stop()
    this.#o.found(bytes)
  }
}

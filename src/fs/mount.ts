/**
 * A mount of torrents: the filesystem, the backend that carries it, and their common life.
 */
import { type Logger, silentLogger, type TorrentError } from '../torrent/index.js'
import type { BackendMount, MountBackend } from './backends/backend.js'
import { chooseBackend } from './backends/choice.js'
import { prepareMountPoint } from './mount-point.js'
import type { ClientPort, TorrentPort } from './ports.js'
import { TorrentFs } from './torrent-fs.js'

/** What is mounted, where, and how it reads. */
export interface MountTorrentsOptions {
  /** Made if missing; a stale mount of ours there is removed. */
  mountDir: string
  /** Its torrents of now are shown; later ones go to {@link Mount.add}. */
  client?: ClientPort | undefined
  /** The best there is by default: see {@link chooseBackend}. */
  backend?: MountBackend | undefined
  /** Lets other users use the mount. */
  allowOther?: boolean | undefined
  /** Most bytes one open handle reads ahead; the engine's default otherwise. */
  readaheadBytes?: number | undefined
  /** ms without progress after which a read fails with EIO; never by default. */
  readTimeoutMs?: number | undefined
  /** Owner of all files; the user of this process by default. */
  uid?: number | undefined
  gid?: number | undefined
  logger?: Logger | undefined
}

/** A tree of torrents that stands at {@link Mount.mountDir}. */
export class Mount {
  /** Absolute, without symbolic links. */
  readonly mountDir: string
  /** The filesystem behind it. */
  readonly fs: TorrentFs
  readonly #backend: BackendMount

  constructor(mountDir: string, fs: TorrentFs, backend: BackendMount) {
    this.mountDir = mountDir
    this.fs = fs
    this.#backend = backend
  }

  /**
   * Resolves when the mount has gone: by {@link unmount} or because someone else unmounted it with undefined, because it
   * failed with the error. Never rejects.
   */
  get closed(): Promise<TorrentError | undefined> {
    return this.#backend.closed
  }

  /**
   * Shows a torrent as soon as it is ready and until it is removed. Idempotent.
   *
   * @param options.mtimeMs the time to show (ms since the epoch) if the torrent has no creation date
   */
  add(torrent: TorrentPort, options: { mtimeMs?: number | undefined } = {}): void {
    this.fs.add(torrent, options)
  }

  /** Takes a torrent out of the tree; reads of its open files end with EIO. */
  remove(infohash: string): void {
    this.fs.remove(infohash)
  }

  /**
   * Ends all reads with an error and takes the mount away, even if it is in use. Idempotent.
   *
   * @throws ERR_TORRENTFS_MOUNT if the system refuses
   */
  unmount(): Promise<void> {
    return this.#backend.unmount()
  }
}

/**
 * Mounts torrents as a read-only tree; resolves when it answers.
 *
 * A process must never read its own mount by blocking calls: it would wait for itself.
 *
 * @throws ERR_TORRENTFS_MOUNT naming the folder and the reason
 */
export async function mountTorrents(options: MountTorrentsOptions): Promise<Mount> {
  const { client, allowOther = false, logger = silentLogger } = options
  const backend = options.backend ?? chooseBackend('auto', logger)
  const mountDir = await prepareMountPoint(options.mountDir, logger)
  const fs = new TorrentFs({
    logger,
    readaheadBytes: options.readaheadBytes,
    readTimeoutMs: options.readTimeoutMs,
    uid: options.uid,
    gid: options.gid,
  })
  for (const torrent of client?.torrents ?? []) fs.add(torrent)
  return new Mount(mountDir, fs, await backend.mount({ fs, mountDir, allowOther, logger }))
}

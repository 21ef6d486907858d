/**
 * What a FUSE binding must offer to carry a {@link TorrentFs}. Nothing above this line knows which one does.
 */
import type { Logger, TorrentError } from '../../torrent/index.js'
import type { TorrentFs } from '../torrent-fs.js'

/** What a backend mounts, and where. */
export interface BackendMountOptions {
  fs: TorrentFs
  /** An existing, empty or stale-free folder, absolute and without symbolic links. */
  mountDir: string
  /** Whether other users may use the mount. */
  allowOther: boolean
  logger: Logger
}

/** A mount that stands. */
export interface BackendMount {
  /**
   * Resolves when the mount has gone: by {@link unmount} or by someone else with undefined, by a failure of ours with the
   * error. Never rejects.
   */
  readonly closed: Promise<TorrentError | undefined>
  /**
   * Ends all reads with an error, takes the mount away even if it is in use, and resolves when it has gone. Idempotent.
   *
   * @throws ERR_TORRENTFS_MOUNT if the system refuses
   */
  unmount(): Promise<void>
}

/** A way to mount a filesystem. */
export interface MountBackend {
  readonly name: string
  /** Resolves when the mount answers. @throws ERR_TORRENTFS_MOUNT */
  mount(options: BackendMountOptions): Promise<BackendMount>
}

/**
 * The backend that speaks the kernel's protocol itself, from a thread of its own.
 *
 * Owns the mount's life: made, served, gone by our doing or someone else's.
 */
import { type Logger, messageOf, TorrentError } from '../../torrent/index.js'
import { unmount as unmountFolder } from '../mount-point.js'
import { isMounted, mountAt } from '../mount-table.js'
import type { TorrentFs } from '../torrent-fs.js'
import type { BackendMount, MountBackend } from './backend.js'
import { raiseReadahead } from './kernel-tuning.js'
import { KernelSession } from './kernel/kernel-session.js'
import { mountFuse } from './kernel/mounting.js'
import { loadSyscalls } from './kernel/syscalls.js'
import { takeAway } from './unmounting.js'

/** KiB the kernel reads ahead of a sequential reader, in requests of as much. */
const READAHEAD_KIB = 1024

class KernelMount implements BackendMount {
  readonly closed: Promise<TorrentError | undefined>
  readonly #fs: TorrentFs
  readonly #session: KernelSession
  readonly #mountDir: string
  readonly #device: string
  readonly #logger: Logger
  #unmounting: Promise<void> | undefined

  constructor(o: {
    fs: TorrentFs
    session: KernelSession
    mountDir: string
    device: string
    logger: Logger
  }) {
    this.#fs = o.fs
    this.#session = o.session
    this.#mountDir = o.mountDir
    this.#device = o.device
    this.#logger = o.logger
    this.closed = this.#session.ended.then(failure => this.#ended(failure))
  }

  unmount(): Promise<void> {
    return (this.#unmounting ??= this.#unmount().catch((error: unknown) => {
      this.#unmounting = undefined
      throw error
    }))
  }

  /** The kernel's list of mounts has changed; if we are not in it any more, someone has detached us lazily. */
  async look(): Promise<void> {
    if (this.#unmounting || (await isMounted(this.#device, this.#mountDir).catch(() => true))) return
    if (this.#unmounting) return
    this.#logger.info({ mountDir: this.#mountDir }, `"${this.#mountDir}" was unmounted`)
    this.#session.endReads()
    await this.#session.stop()
  }

  async #unmount(): Promise<void> {
    // A lazy unmount leaves blocked readers blocked: answer them first.
    this.#session.endReads()
    void this.#fs.close()
    await this.#takeAway()
    await this.#session.stop()
    await this.closed
  }

  async #takeAway(): Promise<void> {
    const [device, mountDir, logger] = [this.#device, this.#mountDir, this.#logger]
    if (!(await isMounted(device, mountDir))) return
    await takeAway({ device, mountDir, logger, unmount: o => unmountFolder(mountDir, o) })
  }

  async #ended(failure: TorrentError | undefined): Promise<TorrentError | undefined> {
    void this.#fs.close()
    if (failure) {
      // Nobody serves it any more: better no mount than a dead one.
      await this.#takeAway().catch((error: unknown) => {
        this.#logger.warn({ mountDir: this.#mountDir }, messageOf(error))
      })
    }
    return failure
  }
}

/** Mounts by our own session. Linux alone. */
export const kernelBackend: MountBackend = {
  name: 'kernel',

  async mount({ fs, mountDir, allowOther, logger }) {
    const syscalls = loadSyscalls()
    const device = await mountFuse({ mountDir, allowOther })
    let mount: KernelMount | undefined
    const { uid, gid } = fs.owner
    const session = new KernelSession({
      fs,
      device,
      syscalls,
      uid,
      gid,
      passthrough: process.env['TORRENTFS_NO_PASSTHROUGH'] === undefined,
      logger,
      mountsChanged: () => void mount?.look(),
    })
    try {
      const { minor, passthrough } = await session.ready
      const entry = await mountAt(mountDir)
      if (!entry) throw new TorrentError('ERR_TORRENTFS_MOUNT', 'it was unmounted at once')
      await raiseReadahead(entry.device, READAHEAD_KIB, logger)
      logger.debug({ mountDir, minor, passthrough }, 'the kernel agreed to a session')
      mount = new KernelMount({ fs, session, mountDir, device: entry.device, logger })
      return mount
    } catch (error) {
      await unmountFolder(mountDir, { lazy: true })
      await session.stop()
      throw new TorrentError('ERR_TORRENTFS_MOUNT', `cannot mount on "${mountDir}": ${messageOf(error)}`, {
        cause: error,
      })
    }
  },
}

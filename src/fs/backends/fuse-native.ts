/**
 * The backend on the `fuse-native` binding (libfuse 2, high level, given paths). Its only importer.
 *
 * What the binding demands, each learnt from a crash or a hang: every callback is called exactly once, even if a handler
 * throws (else the caller hangs for ever; a second call aborts the process); a read is answered only when nothing writes
 * into its buffer any more; handles start at 1; `read` has no time limit of the binding's (it would free the buffer under
 * us); no operation but `read` waits; its own unmount, which runs a shell, is never used; mount options it lacks go
 * in behind the name of the filesystem, which it joins unescaped.
 *
 * It tells neither who reads nor that a read was interrupted: see open-file-watch.ts.
 */
import type { Done, FuseStat } from 'fuse-native'
import { messageOf, TorrentError } from '../../torrent/index.js'
import { EIO, ENOENT, ENOTDIR, EROFS } from '../errno.js'
import { unmount as unmountFolder } from '../mount-point.js'
import { isMounted, mountAt } from '../mount-table.js'
import type { FilePort } from '../ports.js'
import type { TorrentFs } from '../torrent-fs.js'
import type { TreeNode } from '../tree.js'
import type { BackendMount, BackendMountOptions, MountBackend } from './backend.js'
import { checkAllowOther } from './fuse-conf.js'
import { raiseReadahead } from './kernel-tuning.js'
import { OpenFileWatch } from './open-file-watch.js'
import { takeAway } from './unmounting.js'

/**
 * Readahead is background work of the kernel's, and at most so many background requests of a mount are under way: fewer
 * than that blocked readers times their readahead, and every other file starves. Each costs a thread here.
 */
const MAX_BACKGROUND = 8192

/**
 * How long (s) the kernel believes names and attributes. The binding cannot tell it of changes, and these must show
 * within 2 s; 10,000 entries are asked again in 0.7 s.
 */
const CACHE_SECONDS = 1

/**
 * KiB the kernel reads ahead of a sequential reader, in requests of 128 KiB. libfuse keeps ten idle threads and ends the
 * others, and the binding leaks a little for every thread ever made: at 512 a reader needs eight, at 1024 more, and 1 GiB
 * makes a thousand. Requests answered after 5 ms each: 45 MB/s at 128, 161 at 512, 263 at 1024; at once: 1.2 to 1.6 GB/s
 * and 0.7 CPU seconds per GiB at 512, 0.9 to 1.4 and 0.9 to 1.0 at 1024.
 */
const READAHEAD_KIB = 512

const MOUNT_OPTIONS = [
  'torrentfs',
  'ro',
  'subtype=torrentfs',
  'use_ino',
  `max_background=${MAX_BACKGROUND}`,
  `congestion_threshold=${MAX_BACKGROUND}`,
  'negative_timeout=0',
  // With auto_cache: each open compares size and mtime, so that cached pages never outlive the torrent they are of.
  'ac_attr_timeout=0',
].join(',')

/** The binding's limit for operations that do not wait (ms). */
const OPERATION_TIMEOUT_MS = 15_000
/** How often the kernel's list of mounts is looked at for an unmount by someone else. */
const POLL_MS = 500
/** libfuse copies the path into 1,024 bytes. */
const PATH_MAX_BYTES = 1000

const WRITES =
  'mknod mkdir unlink rmdir symlink rename link chmod chown truncate ftruncate create utimens write'.split(
    ' ',
  )

function failure(mountDir: string, reason: string, cause?: unknown): TorrentError {
  return new TorrentError('ERR_TORRENTFS_MOUNT', `cannot mount on "${mountDir}": ${reason}`, { cause })
}

function statOf(fs: TorrentFs, node: TreeNode<FilePort>): FuseStat {
  const { mtimeMs, ...rest } = fs.attributes(node)
  return { ...rest, blksize: 4096, mtime: mtimeMs, atime: mtimeMs, ctime: mtimeMs }
}

/** The handlers, each of which answers its last argument exactly once. */
function operationsOf({ fs, logger }: BackendMountOptions): Record<string, (...args: never[]) => void> {
  function guarded<A extends unknown[]>(name: string, handler: (done: Done, ...args: A) => void) {
    return (...all: [...A, Done]): void => {
      const callback = all.pop() as Done
      let answered = false
      const done: Done = (result, ...more) => {
        if (answered) return
        answered = true
        callback(result, ...more)
      }
      try {
        handler(done, ...(all as unknown as A))
      } catch (error) {
        logger.error({ err: error, operation: name }, `${name} failed: ${messageOf(error)}`)
        done(-EIO)
      }
    }
  }

  const refuse = Object.fromEntries(WRITES.map(name => [name, guarded(name, done => done(-EROFS))]))
  return {
    ...refuse,
    getattr: guarded('getattr', (done, path: string) => {
      const node = fs.resolve(path)
      if (node) done(0, statOf(fs, node))
      else done(-ENOENT)
    }),
    readdir: guarded('readdir', (done, path: string) => {
      const folder = fs.resolve(path)
      if (!folder) return done(-ENOENT)
      if (folder.kind !== 'directory') return done(-ENOTDIR)
      const names = ['.', '..']
      // Type and inode number of each entry; with them `find` needs no stat.
      const stats = [statOf(fs, folder), statOf(fs, folder.parent ?? folder)]
      for (const node of folder.children.values()) {
        names.push(node.name)
        stats.push(statOf(fs, node))
      }
      done(0, names, stats)
    }),
    open: guarded('open', (done, path: string, flags: number) => {
      const node = fs.resolve(path)
      if (!node) return done(-ENOENT)
      const handle = fs.open(node, flags)
      if (handle < 0) done(handle)
      else done(0, handle)
    }),
    read: guarded(
      'read',
      (done, _path: string, handle: number, target: Uint8Array, length: number, position: number) => {
        void fs
          .read(handle, length === target.length ? target : target.subarray(0, length), position)
          .then(done)
      },
    ),
    flush: guarded('flush', (done, _path: string, handle: number) => {
      fs.flush(handle)
      done(0)
    }),
    release: guarded('release', (done, _path: string, handle: number) => {
      fs.release(handle)
      done(0)
    }),
    statfs: guarded('statfs', done => {
      const s = fs.statistics()
      // The binding passes 32 bits: larger blocks where there are more.
      let [size, blocks] = [s.blockSize, s.blocks]
      while (blocks >= 2 ** 32) [size, blocks] = [size * 2, Math.ceil(blocks / 2)]
      done(0, { bsize: size, frsize: size, blocks, files: s.files, namemax: s.nameMax })
    }),
  }
}

async function loadBinding() {
  try {
    const { default: Fuse } = await import('fuse-native')
    // Whatever the binding's own unmount is reached by, it must not run `fusermount -uz PATH` in a shell.
    Fuse.unmount = (_mountDir, done) => done(null)
    return Fuse
  } catch (error) {
    const reason = 'the fuse-native backend cannot be loaded (it needs linux-x64 and libfuse2)'
    throw new TorrentError('ERR_TORRENTFS_MOUNT', `${reason}: ${messageOf(error)}`, { cause: error })
  }
}

class FuseNativeMount implements BackendMount {
  readonly closed: Promise<undefined>
  readonly #options: BackendMountOptions
  readonly #device: string
  readonly #detach: () => void
  readonly #watch: OpenFileWatch
  readonly #poll: NodeJS.Timeout
  #resolveClosed!: () => void
  #unmounting: Promise<void> | undefined
  #gone: Promise<void> | undefined

  constructor(options: BackendMountOptions, device: string, detach: () => void) {
    this.#options = options
    this.#device = device
    this.#detach = detach
    this.closed = new Promise(resolve => (this.#resolveClosed = () => resolve(undefined)))
    this.#watch = new OpenFileWatch({ ...options, othersMayRead: options.allowOther })
    this.#poll = setInterval(() => void this.#look(), POLL_MS).unref()
  }

  unmount(): Promise<void> {
    return (this.#unmounting ??= this.#unmount().catch((error: unknown) => {
      this.#unmounting = undefined
      throw error
    }))
  }

  async #unmount(): Promise<void> {
    const { fs, mountDir, logger } = this.#options
    // A lazy unmount leaves blocked readers blocked: answer them first.
    await this.#endReads()
    if (!this.#gone) {
      await takeAway({
        device: this.#device,
        mountDir,
        logger,
        unmount: o => unmountFolder(mountDir, o),
      })
    }
    await fs.close()
    await this.#finish()
  }

  async #look(): Promise<void> {
    const { mountDir, logger } = this.#options
    if (this.#gone || this.#unmounting) return
    if (await isMounted(this.#device, mountDir).catch(() => true)) return
    if (this.#gone || this.#unmounting) return
    logger.info({ mountDir }, `"${mountDir}" was unmounted`)
    await this.#finish()
  }

  #finish(): Promise<void> {
    return (this.#gone ??= (async () => {
      clearInterval(this.#poll)
      await this.#endReads()
      this.#detach()
      this.#resolveClosed()
    })())
  }

  async #endReads(): Promise<void> {
    await this.#watch.close()
    await this.#options.fs.close()
    // The binding answers in the next tick.
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Mounts through fuse-native. */
export const fuseNativeBackend: MountBackend = {
  name: 'fuse-native',

  async mount(options) {
    const { mountDir, allowOther, logger } = options
    if (Buffer.byteLength(mountDir) > PATH_MAX_BYTES) throw failure(mountDir, 'the path is too long')
    if (allowOther) await checkAllowOther(mountDir)
    const Fuse = await loadBinding()
    const binding = new Fuse(mountDir, operationsOf(options), {
      fsname: MOUNT_OPTIONS,
      allowOther,
      defaultPermissions: true,
      autoCache: true,
      entryTimeout: CACHE_SECONDS,
      attrTimeout: CACHE_SECONDS,
      timeout: { default: OPERATION_TIMEOUT_MS, read: false },
    })
    await new Promise<void>((resolve, reject) => {
      binding.mount(error => {
        if (!error) return resolve()
        const hint =
          error.message === 'fuse failed' ? 'the system refused (is /dev/fuse there and permitted?)' : ''
        reject(failure(mountDir, hint || error.message, error))
      })
    })
    const entry = await mountAt(mountDir)
    if (!entry) throw failure(mountDir, 'it was unmounted at once')
    await raiseReadahead(entry.device, READAHEAD_KIB, logger)
    return new FuseNativeMount(options, entry.device, () => binding.unmount(() => {}))
  },
}

/**
 * The folder a mount goes to: making it, clearing it of a mount a dead daemon of ours left behind, unmounting it.
 *
 * Runs programs without a shell, and never touches a mount that is not of our type.
 */
import { execFile } from 'node:child_process'
import { lstat, mkdir, readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type Logger, messageOf, TorrentError } from '../torrent/index.js'
import { mountAt } from './mount-table.js'

/** The type our mounts have in the kernel's list. */
export const MOUNT_TYPE = 'fuse.torrentfs'

/** A mount of ours that has not answered a `stat` for so long (ms) has no daemon behind it. */
const PROBE_TIMEOUT_MS = 5000
const UNMOUNT_TIMEOUT_MS = 5000

interface Outcome {
  ok: boolean
  /** The program is not installed. */
  absent: boolean
  timedOut: boolean
  stderr: string
}

function run(program: string, args: string[], timeout: number): Promise<Outcome> {
  return new Promise(settle => {
    const options = { timeout, killSignal: 'SIGKILL', env: { ...process.env, LC_ALL: 'C' } } as const
    execFile(program, args, options, (error, _stdout, stderr) => {
      const absent = (error as NodeJS.ErrnoException | null)?.code === 'ENOENT'
      settle({
        ok: !error,
        absent,
        timedOut: error?.killed === true,
        stderr: stderr.trim() || messageOf(error),
      })
    })
  })
}

/**
 * Unmounts `mountDir`.
 *
 * @param o.lazy take it out of the tree of folders even while it is in use
 * @returns undefined, or why not
 */
export async function unmount(mountDir: string, o: { lazy: boolean }): Promise<string | undefined> {
  const attempts: [program: string, options: string[]][] = [
    ['fusermount3', [o.lazy ? '-uz' : '-u']],
    ['fusermount', [o.lazy ? '-uz' : '-u']],
  ]
  // Root mounts without these, and must be able to unmount without them.
  if (process.getuid?.() === 0) attempts.push(['umount', o.lazy ? ['-l'] : []])
  for (const [program, options] of attempts) {
    const outcome = await run(program, [...options, '--', mountDir], UNMOUNT_TIMEOUT_MS)
    if (outcome.ok) return undefined
    if (!outcome.absent) return outcome.stderr
  }
  return 'neither fusermount3 nor fusermount is installed'
}

/** `path` without symbolic links, made if missing, and without touching a mount that may be dead. */
async function locate(path: string): Promise<string> {
  const absolute = resolve(path)
  if (absolute === '/') return absolute
  await mkdir(dirname(absolute), { recursive: true })
  const candidate = join(await realpath(dirname(absolute)), basename(absolute))
  if (await mountAt(candidate)) return candidate
  await mkdir(candidate, { recursive: true })
  return (await lstat(candidate)).isSymbolicLink() ? locate(await realpath(candidate)) : candidate
}

async function recover(mountDir: string, logger: Logger): Promise<void> {
  // -f: the kernel answers a plain `stat` from its cache for a second after the daemon's death, but never a `statfs`.
  const probe = await run('stat', ['-f', '--', mountDir], PROBE_TIMEOUT_MS)
  const stale =
    probe.timedOut || probe.stderr.includes('not connected') || probe.stderr.includes('connection abort')
  if (!stale) {
    throw new TorrentError(
      'ERR_TORRENTFS_MOUNT',
      `cannot mount on "${mountDir}": another torrentfs is mounted there`,
    )
  }
  const refusal = await unmount(mountDir, { lazy: true })
  if (refusal !== undefined) {
    throw new TorrentError(
      'ERR_TORRENTFS_MOUNT',
      `cannot remove the stale mount on "${mountDir}": ${refusal}`,
    )
  }
  logger.info({ mountDir }, `removed a stale mount on "${mountDir}"`)
}

/**
 * Makes `path` ready to be mounted on: creates it, and removes what a killed daemon of ours left there.
 *
 * @returns it, absolute and without symbolic links
 * @throws ERR_TORRENTFS_MOUNT if it is no folder, or something lives there
 */
export async function prepareMountPoint(path: string, logger: Logger): Promise<string> {
  let mountDir: string
  try {
    mountDir = await locate(path)
  } catch (error) {
    throw new TorrentError('ERR_TORRENTFS_MOUNT', `cannot mount on "${path}": ${messageOf(error)}`, {
      cause: error,
    })
  }
  // Killed daemons may have left several, one upon the other.
  for (let layers = 0; layers < 16; layers++) {
    const there = await mountAt(mountDir)
    if (there?.type !== MOUNT_TYPE) {
      if (!there || mountDir === '/') break
      const reason = `it is a mount of type ${there.type} itself; use a folder inside it`
      throw new TorrentError('ERR_TORRENTFS_MOUNT', `cannot mount on "${mountDir}": ${reason}`)
    }
    await recover(mountDir, logger)
  }
  const entries = await readdir(mountDir).catch((error: unknown) => messageOf(error))
  if (typeof entries === 'string' || entries.length > 0) {
    const reason = typeof entries === 'string' ? entries : 'the folder is not empty'
    throw new TorrentError('ERR_TORRENTFS_MOUNT', `cannot mount on "${mountDir}": ${reason}`)
  }
  return mountDir
}

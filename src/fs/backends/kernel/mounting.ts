/**
 * A mount and the connection to the kernel that serves it: by ourselves as root, by the system's `fusermount3` otherwise.
 *
 * No shell sees a name, and no child ever holds the connection: one that did would keep a dead mount alive.
 */
import { spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { TorrentError } from '../../../torrent/index.js'
import { MOUNT_TYPE, unmount } from '../../mount-point.js'
import { checkAllowOther } from '../fuse-conf.js'
import { loadSyscalls, nameOf, type Syscalls } from './syscalls.js'

const MS_RDONLY = 1
const MS_NOSUID = 2
const MS_NODEV = 4
const SOURCE = 'torrentfs'
/** Programs that may mount for ordinary users. */
const MOUNTERS = ['fusermount3', 'fusermount']
/** How long (ms) such a program may take. */
const MOUNTER_MS = 10_000
/** The end of the socket pair a mounter sends the connection through. */
const MOUNTER_SOCKET = 3

export interface MountFuseOptions {
  /** Absolute. */
  readonly mountDir: string
  readonly allowOther: boolean
}

/**
 * Mounts, and resolves with the connection: non-blocking, not inherited by children, the caller's to close.
 *
 * @throws ERR_TORRENTFS_MOUNT naming the folder and the reason
 */
export async function mountFuse({ mountDir, allowOther }: MountFuseOptions): Promise<number> {
  const syscalls = loadSyscalls()
  if (process.getuid?.() === 0) {
    const device = mountByOurselves(syscalls, mountDir, allowOther)
    if (device !== undefined) return device
  } else if (allowOther) await checkAllowOther(mountDir)
  for (const program of MOUNTERS) {
    const outcome = await mountThrough(program, syscalls, mountDir, allowOther)
    if (typeof outcome === 'number') return outcome
    if (outcome !== undefined) throw failure(mountDir, outcome)
  }
  const absent = `neither ${MOUNTERS.join(' nor ')} is installed (the package is called fuse3)`
  throw failure(mountDir, `this process may not mount by itself, and ${absent}`)
}

/** @returns the connection, or undefined when the system lets this process mount nothing (root of a container) */
function mountByOurselves(syscalls: Syscalls, mountDir: string, allowOther: boolean): number | undefined {
  let device: number
  try {
    // Node opens everything close-on-exec.
    device = openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const missing = code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO'
    throw failure(mountDir, missing ? 'there is no /dev/fuse here' : `/dev/fuse cannot be opened: ${code}`)
  }
  const data = [
    `fd=${device}`,
    'rootmode=40000',
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
    'default_permissions',
    ...(allowOther ? ['allow_other'] : []),
  ].join(',')
  const result = syscalls.mount(SOURCE, mountDir, MOUNT_TYPE, MS_RDONLY | MS_NOSUID | MS_NODEV, data)
  if (result >= 0) return device
  closeSync(device)
  const name = nameOf(result)
  if (name === 'EPERM') return undefined
  throw failure(mountDir, name)
}

/** @returns the connection, why it failed, or undefined when the program is not installed */
async function mountThrough(
  program: string,
  syscalls: Syscalls,
  mountDir: string,
  allowOther: boolean,
): Promise<number | string | undefined> {
  const [ours, theirs] = syscalls.socketpair()
  try {
    const options = ['ro', 'nosuid', 'nodev', 'default_permissions', `fsname=${SOURCE}`, 'subtype=torrentfs']
    if (allowOther) options.push('allow_other')
    const refusal = await runMounter(program, ['-o', options.join(','), '--', mountDir], theirs)
    if (refusal !== '') return refusal
    const device = syscalls.receiveDescriptor(ours)
    if (device < 0) {
      // It says that it has mounted: what nobody can serve must not stay.
      await unmount(mountDir, { lazy: true })
      return `${program} sent no connection (${nameOf(device)})`
    }
    syscalls.setNonBlocking(device)
    return device
  } finally {
    syscalls.close(ours)
    syscalls.close(theirs)
  }
}

/** @returns an empty string when it did its work, what it said when not, undefined when there is no such program */
function runMounter(program: string, args: string[], socket: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const child = spawn(program, args, {
      // Were our own folder gone, the program would look as if it were not installed.
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe', socket],
      env: { ...process.env, LC_ALL: 'C', _FUSE_COMMFD: String(MOUNTER_SOCKET) },
    })
    // Not `spawn`'s own limit: that runs on, and keeps the process, where there is no such program.
    const timer = setTimeout(() => child.kill('SIGKILL'), MOUNTER_MS)
    const end = (outcome: string | undefined): void => {
      clearTimeout(timer)
      resolve(outcome)
    }
    let said = ''
    child.stderr?.on('data', (text: Buffer) => (said = (said + text.toString()).slice(0, 1000)))
    child.on('error', (error: NodeJS.ErrnoException) => {
      end(error.code === 'ENOENT' ? undefined : `${program}: ${error.message}`)
    })
    child.on('close', (code, signal) => {
      if (code === 0) end('')
      else end(said.trim() || `${program} ended with ${signal ?? `status ${code}`}`)
    })
  })
}

function failure(mountDir: string, reason: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_MOUNT', `cannot mount on "${mountDir}": ${reason}`)
}

/**
 * What a file or folder on disk is as the content of a torrent: its regular files, in the order they get there.
 *
 * Owns what counts and what is left out. Must not read contents.
 */
import { lstat, readdir, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { causedBy, TorrentError } from '../errors.js'

/** A file that was found. */
export interface FoundFile {
  /** Components below the root, as the bytes they have on disk; none when the root is a file itself. */
  readonly path: readonly Uint8Array[]
  /** Where to open it: bytes, for a name need not be UTF-8. */
  readonly location: Uint8Array
  /** Bytes in it. */
  readonly length: number
  /** When it was changed last, ms since 1970 with a fraction. */
  readonly mtimeMs: number
}

/** Why something was left out. */
export type SkipReason =
  'symbolic link' | 'dangling symbolic link' | 'loop of symbolic links' | 'special file'

/** Options of {@link walkContent}. */
export interface WalkOptions {
  /** Take what symbolic links point to; they are left out by default. The root itself may always be one. */
  readonly followLinks?: boolean
  /** Leave out files and folders whose names begin with a dot. */
  readonly skipHidden?: boolean
  /** Told of each thing that is left out because of what it is, with its path as text. */
  readonly onSkipped?: ((path: string, reason: SkipReason) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** The content at a root. */
export interface FoundContent {
  /** Whether the root is a folder. */
  readonly isFolder: boolean
  /** In the order of the bytes of their paths with `/` between the components, as other programs order them too. */
  readonly files: readonly FoundFile[]
}

const SEPARATOR = Buffer.from('/')
const DOT = 0x2e

/**
 * Finds the regular files of a root. Empty files count, empty folders do not.
 *
 * @throws ERR_TORRENTFS_ARGUMENT when the root is neither a file nor a folder
 * @throws ERR_TORRENTFS_STORAGE when something cannot be looked at, naming it
 * @throws ERR_TORRENTFS_ABORTED
 */
export async function walkContent(root: string, o: WalkOptions = {}): Promise<FoundContent> {
  const bytes = Buffer.from(root)
  const stats = await looking(bytes, () => stat(root))
  if (stats.isFile()) return { isFolder: false, files: [found([], bytes, stats)] }
  if (!stats.isDirectory())
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${root} is neither a file nor a folder`)
  const files: FoundFile[] = []
  await walk({ location: bytes, path: [], ancestors: [identity(stats)] }, files, o)
  const keys = new Map(files.map(file => [file, joined(file.path)]))
  files.sort((a, b) => Buffer.compare(keys.get(a)!, keys.get(b)!))
  return { isFolder: true, files }
}

interface Folder {
  readonly location: Buffer
  readonly path: readonly Uint8Array[]
  /** Of the folder itself and those it lies in, by which a loop of links is known. */
  readonly ancestors: readonly string[]
}

async function walk(folder: Folder, files: FoundFile[], o: WalkOptions): Promise<void> {
  const { location, path, ancestors } = folder
  const entries = await looking(location, () =>
    readdir(location, { encoding: 'buffer', withFileTypes: true }),
  )
  for (const entry of entries) {
    if (o.signal?.aborted === true)
      throw new TorrentError('ERR_TORRENTFS_ABORTED', 'looking for files was aborted')
    if (o.skipHidden === true && entry.name[0] === DOT) continue
    const below = Buffer.concat([location, SEPARATOR, entry.name])
    const skip = (reason: SkipReason): void => o.onSkipped?.(below.toString(), reason)
    const isLink = entry.isSymbolicLink()
    if (isLink && o.followLinks !== true) {
      skip('symbolic link')
      continue
    }
    const stats = isLink ? await target(below) : await looking(below, () => lstat(below))
    if (stats === undefined) skip('dangling symbolic link')
    else if (stats.isFile()) files.push(found([...path, entry.name], below, stats))
    else if (!stats.isDirectory()) skip('special file')
    else if (ancestors.includes(identity(stats))) skip('loop of symbolic links')
    else {
      const inner = {
        location: below,
        path: [...path, entry.name],
        ancestors: [...ancestors, identity(stats)],
      }
      await walk(inner, files, o)
    }
  }
}

/** What a link points to in the end; undefined when that is nothing. */
async function target(link: Buffer): Promise<Stats | undefined> {
  try {
    return await stat(link)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined
    throw causedBy(error, 'ERR_TORRENTFS_STORAGE', `cannot read ${link.toString()}`)
  }
}

function found(path: readonly Uint8Array[], location: Buffer, stats: Stats): FoundFile {
  return { path, location, length: stats.size, mtimeMs: stats.mtimeMs }
}

function identity(stats: Stats): string {
  return `${stats.dev}:${stats.ino}`
}

function joined(path: readonly Uint8Array[]): Buffer {
  return Buffer.concat(path.flatMap((name, index) => (index === 0 ? [name] : [SEPARATOR, name])))
}

async function looking<T>(location: Buffer, look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (error) {
    throw causedBy(error, 'ERR_TORRENTFS_STORAGE', `cannot read ${location.toString()}`)
  }
}

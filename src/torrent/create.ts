/**
 * Making a metainfo file of a file or folder on disk (BEP 3).
 *
 * Owns the way from a path to a metainfo file. Must not know engines or peers; the form of the result is
 * `metainfo/create.ts`'s, finding and hashing the files is `hashing/`'s.
 */
import { basename, resolve } from 'node:path'
import { TorrentError } from './errors.js'
import { walkContent, type SkipReason } from './hashing/content-walk.js'
import { hashContent } from './hashing/hash-pool.js'
import { buildMetainfo, type MetainfoFields } from './metainfo/create.js'
import { MAX_PIECE_LENGTH } from './metainfo/info.js'
import { BLOCK_LENGTH } from './pieces/geometry.js'

/** Options of {@link createTorrent}. */
export interface CreateTorrentOptions extends MetainfoFields {
  /** The torrent's name; the last component of the path by default. */
  readonly name?: string
  /** Bytes in a piece, in [1, 512 MiB]; by default {@link choosePieceLength}'s. Other programs want a power of two. */
  readonly pieceLength?: number
  /** BEP 27: peers come from the trackers only. */
  readonly private?: boolean
  /** Any text; another one makes another infohash. */
  readonly source?: string
  /** Take what symbolic links within a folder point to; they are left out by default. The path itself may be one. */
  readonly followLinks?: boolean
  /** Leave out files and folders whose names begin with a dot; they count by default. */
  readonly skipHidden?: boolean
  /** Threads that read and hash, in [1, 64]; as many as there are cores, up to 4, by default. */
  readonly workers?: number
  /** Ends the work; the promise then rejects with ERR_TORRENTFS_ABORTED. */
  readonly signal?: AbortSignal
  /** Called now and then with the bytes hashed so far and the bytes in all. */
  readonly onProgress?: (hashed: number, total: number) => void
  /** Told of each thing in the folder that is left out because it is a link or a special file. */
  readonly onSkipped?: (path: string, reason: SkipReason) => void
}

/**
 * Reads a file or folder and makes a metainfo file of it.
 *
 * A folder's files are taken in the order of the bytes of their paths, as mktorrent and Go's library take them (transmission
 * too, but it does not tell `a` from `A`): the same content always gives the same infohash. Empty files count, empty folders do not. A file that changes
 * while it is read, or cannot be read, ends the work: its torrent would be one nobody can complete.
 *
 * @param rootPath the file or folder
 * @returns the bytes of the metainfo file
 * @throws ERR_TORRENTFS_ARGUMENT when there is nothing to share or an option makes no sense
 * @throws ERR_TORRENTFS_STORAGE when something cannot be read, or changes meanwhile
 * @throws ERR_TORRENTFS_ABORTED when `signal` says so
 */
export async function createTorrent(
  rootPath: string,
  options: CreateTorrentOptions = {},
): Promise<Uint8Array> {
  const root = resolve(rootPath)
  const { pieceLength: asked, signal, onProgress, onSkipped, workers } = options
  if (asked !== undefined && (!Number.isInteger(asked) || asked < 1 || asked > MAX_PIECE_LENGTH)) {
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `a piece length of ${asked} bytes`)
  }
  const name = options.name ?? basename(root)
  if (name === '') throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `a torrent of ${root} needs a name`)
  const { isFolder, files } = await walkContent(root, { ...options, onSkipped, signal })
  if (files.length === 0) {
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `no files to make a torrent of in ${root}`)
  }
  const length = files.reduce((sum, file) => sum + file.length, 0)
  const pieceLength = asked ?? choosePieceLength(length)
  const pieceHashes = await hashContent({ files, pieceLength, tolerant: false, workers, signal, onProgress })
  return buildMetainfo({ ...options, name, pieceLength, pieceHashes, ...(isFolder ? { files } : { length }) })
}

/**
 * A piece length for content of so many bytes: the power of two in [16 KiB, 16 MiB] that gives 1,000 to 2,000 pieces,
 * which keeps metainfo files small (40 KB) and what is lost with a bad piece too.
 */
export function choosePieceLength(length: number): number {
  let pieceLength = BLOCK_LENGTH
  while (pieceLength < 16 * 1024 * 1024 && length / pieceLength > 2000) pieceLength *= 2
  return pieceLength
}

/**
 * Making a metainfo file of a file or folder on disk (BEP 3).
 *
 * Owns walking and hashing. Must not know engines or peers; the form of the result is `metainfo/create.ts`'s.
 */
import { createHash } from 'node:crypto'
import { lstat, open, readdir, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { messageOf, TorrentError } from './errors.js'
import { buildMetainfo, type MetainfoFields } from './metainfo/create.js'
import { MAX_PIECE_LENGTH } from './metainfo/info.js'
import { BLOCK_LENGTH } from './pieces/geometry.js'

/** Options of {@link createTorrent}. */
export interface CreateTorrentOptions extends MetainfoFields {
  /** The torrent's name; the last component of the path by default. */
  readonly name?: string
  /** Bytes in a piece, in [1, 512 MiB]; by default a power of two that gives some 1,000 to 2,000 pieces. */
  readonly pieceLength?: number
  /** BEP 27: peers come from the trackers only. */
  readonly private?: boolean
  /** Any text; another one makes another infohash. */
  readonly source?: string
  /** Ends the work; the promise then rejects with ERR_TORRENTFS_ABORTED. */
  readonly signal?: AbortSignal
  /** Called now and then with the bytes hashed so far and the bytes in all. */
  readonly onProgress?: (hashed: number, total: number) => void
}

interface FoundFile {
  /** Components below the root, as the bytes they have on disk; none when the root is a file itself. */
  readonly path: readonly Buffer[]
  readonly length: number
}

const READ_BYTES = 1024 * 1024
const SEPARATOR = Buffer.from('/')

/**
 * Reads a file or folder and makes a metainfo file of it.
 *
 * A folder's files are taken in the order of the bytes of their names, folder by folder, so the same content always
 * gives the same infohash; empty files count, empty folders do not; symbolic links and special files within are skipped.
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
  const { signal } = options
  const found = await reading(root, async () => {
    const stats = await stat(root)
    if (!stats.isDirectory()) return stats.isFile() ? { length: stats.size } : undefined
    const files: FoundFile[] = []
    await walk(Buffer.from(root), [], files, signal)
    return { files }
  })
  const files = found?.files ?? [{ path: [], length: found?.length ?? 0 }]
  if (found === undefined || files.length === 0) {
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `no files to make a torrent of in ${root}`)
  }
  const total = files.reduce((sum, file) => sum + file.length, 0)
  const pieceLength = options.pieceLength ?? defaultPieceLength(total)
  if (!Number.isInteger(pieceLength) || pieceLength < 1 || pieceLength > MAX_PIECE_LENGTH) {
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `a piece length of ${pieceLength} bytes`)
  }
  const pieceHashes = await hash(root, files, total, pieceLength, options)
  return buildMetainfo({
    ...options,
    name: options.name ?? basename(root),
    pieceLength,
    pieceHashes,
    ...(found.files === undefined ? { length: total } : { files }),
  })
}

function defaultPieceLength(total: number): number {
  let pieceLength = BLOCK_LENGTH
  while (pieceLength < 16 * 1024 * 1024 && total / pieceLength > 2000) pieceLength *= 2
  return pieceLength
}

/** Collects the regular files below a folder. Names stay bytes: one that is not UTF-8 could not be opened otherwise. */
async function walk(
  folder: Buffer,
  path: readonly Buffer[],
  files: FoundFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  checkAborted(signal)
  const entries = await readdir(folder, { encoding: 'buffer', withFileTypes: true })
  entries.sort((a, b) => Buffer.compare(a.name, b.name))
  for (const entry of entries) {
    const below = Buffer.concat([folder, SEPARATOR, entry.name])
    if (entry.isDirectory()) await walk(below, [...path, entry.name], files, signal)
    else if (entry.isFile()) files.push({ path: [...path, entry.name], length: (await lstat(below)).size })
  }
}

async function hash(
  root: string,
  files: readonly FoundFile[],
  total: number,
  pieceLength: number,
  { signal, onProgress }: CreateTorrentOptions,
): Promise<Uint8Array> {
  const digests: Buffer[] = []
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  let piece = createHash('sha1')
  let missing = pieceLength
  let hashed = 0
  for (const { path, length } of files) {
    const location = Buffer.concat([Buffer.from(root), ...path.flatMap(name => [SEPARATOR, name])])
    await reading(location.toString(), async () => {
      await using file = await open(location, 'r')
      let position = 0
      for (;;) {
        checkAborted(signal)
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
        position += bytesRead
        if (position > length || (bytesRead === 0 && position < length)) {
          throw new TorrentError('ERR_TORRENTFS_STORAGE', `${location.toString()} changed while it was read`)
        }
        if (bytesRead === 0) return
        for (let begin = 0; begin < bytesRead;) {
          const end = Math.min(bytesRead, begin + missing)
          piece.update(buffer.subarray(begin, end))
          missing -= end - begin
          begin = end
          if (missing > 0) continue
          digests.push(piece.digest())
          piece = createHash('sha1')
          missing = pieceLength
        }
        hashed += bytesRead
        onProgress?.(hashed, total)
      }
    })
  }
  if (missing < pieceLength) digests.push(piece.digest())
  return Buffer.concat(digests)
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new TorrentError('ERR_TORRENTFS_ABORTED', 'making a torrent was aborted', { cause: signal.reason })
  }
}

/** Runs what reads `path` and names it in whatever goes wrong. */
async function reading<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof TorrentError) throw error
    throw new TorrentError('ERR_TORRENTFS_STORAGE', `cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

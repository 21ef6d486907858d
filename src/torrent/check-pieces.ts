/**
 * Which pieces of a torrent lie on disk, without a client.
 *
 * Owns nothing that outlives the call; hashing is `hashing/`'s. Must not change anything on disk.
 */
import { join } from 'node:path'
import { NO_DIGEST } from './hashing/content-hasher.js'
import { hashContent } from './hashing/hash-pool.js'
import type { Info } from './metainfo/info.js'

/** Options of {@link checkPieces}. */
export interface CheckPiecesOptions {
  /** Threads, in [1, 64]; as many as there are cores, up to 4, by default. */
  readonly workers?: number
  /** Ends the work; the promise then rejects with ERR_TORRENTFS_ABORTED. */
  readonly signal?: AbortSignal
  /** Called now and then with the bytes looked at so far and the bytes in all. */
  readonly onProgress?: (checked: number, total: number) => void
}

/**
 * Reads a torrent's files and compares them with its hashes. A file that is missing, or cannot be read, has no good piece.
 *
 * @param info what should be there
 * @param root the folder that the files' paths begin in: of a torrent of several files, the one with its name
 * @returns for each piece whether it is there and right
 * @throws ERR_TORRENTFS_ARGUMENT for a number of workers that makes no sense; ERR_TORRENTFS_ABORTED
 */
export async function checkPieces(
  info: Info,
  root: string,
  options: CheckPiecesOptions = {},
): Promise<boolean[]> {
  const digests = await hashContent({
    ...options,
    files: info.files.map(({ path, length, pad }) => ({
      location: pad ? undefined : Buffer.from(join(root, ...path)),
      length,
    })),
    pieceLength: info.pieceLength,
    tolerant: true,
  })
  return Array.from({ length: info.geometry.pieceCount }, (_, piece) => {
    const [begin, end] = [piece * NO_DIGEST.length, (piece + 1) * NO_DIGEST.length]
    const digest = digests.subarray(begin, end)
    const isRight = Buffer.compare(digest, info.pieceHashes.subarray(begin, end)) === 0
    // A torrent may state the hash of nothing.
    return isRight && Buffer.compare(digest, NO_DIGEST) !== 0
  })
}

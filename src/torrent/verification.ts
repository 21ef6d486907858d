/**
 * Hashing what a storage holds, piece by piece, on request.
 *
 * Owns the order and the counts. How one piece is hashed is the opened torrent's business.
 */
import { TorrentError } from './errors.js'
import type { PieceCheck } from './opened-torrent.js'

/** Which pieces to hash, and who hears of it. */
export interface VerifyOptions {
  /** Pieces [begin, end). Default: all. */
  readonly begin?: number
  readonly end?: number
  /** Aborting it rejects with ERR_TORRENTFS_ABORTED; what was hashed stays so. */
  readonly signal?: AbortSignal
  /** Told after every piece. */
  readonly onProgress?: (progress: VerifyProgress) => void
}

/** How far a verification is. */
export interface VerifyProgress {
  /** Pieces hashed so far, and in all. */
  readonly done: number
  readonly total: number
}

/** What came of it. */
export interface VerifyResult {
  /** Pieces that are here and match their hash. */
  readonly good: number
  /** Pieces that are not here, do not match, or are being fetched. */
  readonly bad: number
  /** Why the others could not be read, one for each: ERR_TORRENTFS_STORAGE. */
  readonly failures: readonly TorrentError[]
}

/** Pieces that are hashed at a time: while one is hashed the next is read. */
const AT_ONCE = 2

/**
 * @param check - hashes one piece
 * @param pieces - how many there are
 * @throws ERR_TORRENTFS_ABORTED, ERR_TORRENTFS_ARGUMENT, the error the torrent ended with
 */
export async function verifyPieces(
  check: (piece: number) => Promise<PieceCheck>,
  pieces: number,
  { begin = 0, end = pieces, signal, onProgress }: VerifyOptions,
): Promise<VerifyResult> {
  if (!(Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= pieces)) {
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `begin, end: no pieces [${begin}, ${end}) of ${pieces}`)
  }
  let [next, good, bad] = [begin, 0, 0]
  const failures: TorrentError[] = []
  const lane = async (): Promise<void> => {
    while (next < end) {
      if (signal?.aborted === true) {
        throw new TorrentError('ERR_TORRENTFS_ABORTED', 'the verification was given up', {
          cause: signal.reason,
        })
      }
      const result = await check(next++)
      if (result === 'good') good++
      else if (result === 'bad') bad++
      else failures.push(result.error)
      onProgress?.({ done: good + bad + failures.length, total: end - begin })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return { good, bad, failures }
}

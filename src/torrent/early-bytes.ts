/**
 * Reads bytes that are here, be they verified or not: for readers that asked for that, and for no one else.
 *
 * Owns nothing. Blocks of pieces that are being fetched are copied from memory; the rest is read from the storage.
 */
import type { Geometry } from './pieces/geometry.js'
import type { TorrentEngine } from './torrent-engine.js'

/**
 * Fills `target` from `begin` of the torrent; false when some of it is not here (any more). Nothing writes into `target` once
 * it has settled.
 *
 * @throws ERR_TORRENTFS_STORAGE
 */
export async function readEarly(
  engine: TorrentEngine,
  geometry: Geometry,
  target: Uint8Array,
  begin: number,
): Promise<boolean> {
  const end = begin + target.length
  const stored: (readonly [begin: number, end: number])[] = []
  const pieces = geometry.piecesIn(begin, end)
  for (let piece = pieces.begin; piece < pieces.end; piece++) {
    const offset = geometry.pieceOffset(piece)
    const from = Math.max(begin, offset)
    const to = Math.min(end, offset + geometry.pieceSize(piece))
    if (engine.isStored(from, to)) stored.push([from, to])
    else {
      const bytes = engine.core.hasArrived(from, to) ? engine.openBytes(piece) : undefined
      if (bytes === undefined) return false
      target.set(bytes.subarray(from - offset, to - offset), from - begin)
    }
  }
  // Only now: what lies in memory may be gone after a wait.
  for (const [from, to] of stored) {
    const got = await engine.readStored(target.subarray(from - begin, to - begin), from)
    if (got < to - from) engine.doubt(from, to)
    if (!engine.isStored(from, to)) return false
  }
  return true
}

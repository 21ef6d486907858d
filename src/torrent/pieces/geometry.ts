/**
 * The arithmetic of one torrent's content: bytes, pieces, blocks, files and pad files (BEP 3, BEP 47).
 *
 * Owns the mapping between the torrent's byte space [0, length), its pieces, their blocks and its files.
 * Must not know names, peers, disks or what is stored. Pure: every answer depends on the arguments alone.
 */
import { TorrentError } from '../errors.js'

/** Bytes in a block, the unit of a request to a peer (the last block of a piece may be shorter). */
export const BLOCK_LENGTH = 16384

/** A file as geometry sees it: the bytes [offset, offset + length) of the torrent. */
export interface GeometryFile {
  /** First byte of the file in the torrent. */
  readonly offset: number
  /** Bytes in the file; may be 0. */
  readonly length: number
  /** A pad file (BEP 47): its bytes are known to be zeros, and are never stored or asked for. */
  readonly pad: boolean
}

/** A part of one file: the bytes [fileOffset, fileOffset + length) of file `file`. */
export interface Segment {
  /** Index into {@link Geometry.files}. */
  readonly file: number
  /** First byte of the part within the file. */
  readonly fileOffset: number
  /** The same byte in the torrent. */
  readonly offset: number
  /** Bytes in the part; never 0. */
  readonly length: number
  /** Whether the file is a pad file. */
  readonly pad: boolean
}

/** Piece, block and file arithmetic of one torrent. Immutable; holds `files` by reference and copies nothing of it. */
export class Geometry {
  /** Bytes in the torrent, pad files included. */
  readonly length: number
  /** Bytes in every piece but the last. */
  readonly pieceLength: number
  /** Number of pieces; 0 when the torrent has no bytes. */
  readonly pieceCount: number
  /** The files in torrent order. Together they cover [0, length) exactly once. */
  readonly files: readonly GeometryFile[]
  /** Indices of the files that have bytes; undefined when all have (then position and index are the same). */
  readonly #filled: Uint32Array | undefined
  /** Pad bytes as merged ranges, begin and end alternating, ascending; undefined when there are none. */
  readonly #pads: Float64Array | undefined

  /**
   * @param o.length bytes in the torrent
   * @param o.pieceLength bytes in a piece, at least 1
   * @param o.files every file in torrent order, without gap or overlap; the array must not change afterwards
   * @throws ERR_TORRENTFS_ARGUMENT when a number is no safe integer or the files do not cover [0, length)
   */
  constructor(o: { length: number; pieceLength: number; files: readonly GeometryFile[] }) {
    if (!Number.isSafeInteger(o.length) || o.length < 0) throw invalid(`length ${o.length}`)
    if (!Number.isSafeInteger(o.pieceLength) || o.pieceLength < 1)
      throw invalid(`piece length ${o.pieceLength}`)
    this.length = o.length
    this.pieceLength = o.pieceLength
    this.pieceCount = Math.ceil(o.length / o.pieceLength)
    this.files = o.files

    let end = 0
    let empty = 0
    let padRanges = 0
    let padEnd = -1
    for (const file of o.files) {
      if (!Number.isSafeInteger(file.length) || file.length < 0) throw invalid(`file length ${file.length}`)
      if (file.offset !== end) throw invalid(`file at ${file.offset} where ${end} was expected`)
      end += file.length
      if (file.length === 0) empty++
      else if (file.pad) {
        if (padEnd !== file.offset) padRanges++
        padEnd = end
      }
    }
    if (end !== o.length) throw invalid(`files of ${end} bytes in a torrent of ${o.length}`)
    this.#filled = empty > 0 ? filledFiles(o.files, o.files.length - empty) : undefined
    this.#pads = padRanges > 0 ? mergedPads(o.files, padRanges) : undefined
  }

  /** First byte of a piece in the torrent. `piece` must be in [0, pieceCount). */
  pieceOffset(piece: number): number {
    return piece * this.pieceLength
  }

  /** Bytes in a piece: `pieceLength`, or less for the last one. 0 when there is no such piece. */
  pieceSize(piece: number): number {
    if (!(piece >= 0 && piece < this.pieceCount)) return 0
    return Math.min(this.pieceLength, this.length - piece * this.pieceLength)
  }

  /** Number of blocks in a piece. 0 when there is no such piece. */
  blockCount(piece: number): number {
    return Math.ceil(this.pieceSize(piece) / BLOCK_LENGTH)
  }

  /** Bytes in a block, pad bytes included. 0 when there is no such block. */
  blockSize(piece: number, block: number): number {
    if (!(block >= 0)) return 0
    return Math.max(0, Math.min(BLOCK_LENGTH, this.pieceSize(piece) - block * BLOCK_LENGTH))
  }

  /**
   * Bytes to ask of peers for a block: up to and including its last byte that is not pad. So 0 when the block is all
   * pad, the data before the pad when only its end is pad, and otherwise the whole block.
   */
  requestSize(piece: number, block: number): number {
    const size = this.blockSize(piece, block)
    const pads = this.#pads
    if (pads === undefined || size === 0) return size
    const begin = piece * this.pieceLength + block * BLOCK_LENGTH
    const end = begin + size
    // The only range that can cover the block's last byte is the last one to begin before the block's end.
    const range = lastBefore(pads, end)
    if (range < 0 || pads[range + 1]! < end) return size
    return Math.max(0, pads[range]! - begin)
  }

  /** Whether any byte of a piece belongs to a pad file. */
  hasPad(piece: number): boolean {
    const pads = this.#pads
    if (pads === undefined) return false
    const size = this.pieceSize(piece)
    if (size === 0) return false
    const begin = piece * this.pieceLength
    const range = lastBefore(pads, begin + size)
    return range >= 0 && pads[range + 1]! > begin
  }

  /** The pieces [begin, end) that overlap the torrent's bytes [begin, end), clamped to the torrent. Empty in, empty out. */
  piecesIn(begin: number, end: number): { begin: number; end: number } {
    const from = Math.min(Math.max(0, begin), this.length)
    const to = Math.min(Math.max(from, end), this.length)
    const first = Math.floor(from / this.pieceLength)
    return { begin: first, end: to > from ? Math.ceil(to / this.pieceLength) : first }
  }

  /** Index of the file that holds a byte of the torrent; -1 when no byte is there. Never a file without bytes. */
  fileAt(offset: number): number {
    if (!(offset >= 0 && offset < this.length)) return -1
    return this.#indexOf(this.#positionOf(offset))
  }

  /**
   * The torrent's bytes [begin, end), clamped to the torrent, as parts of files: in order, without gap or overlap, pad
   * files included, files without bytes left out. Costs O(log files + result).
   */
  segments(begin: number, end: number): Segment[] {
    const segments: Segment[] = []
    let offset = Math.max(0, begin)
    const stop = Math.min(end, this.length)
    if (!(offset < stop)) return segments
    for (let position = this.#positionOf(offset); offset < stop; position++) {
      const index = this.#indexOf(position)
      const file = this.files[index]!
      const length = Math.min(stop, file.offset + file.length) - offset
      segments.push({ file: index, fileOffset: offset - file.offset, offset, length, pad: file.pad })
      offset += length
    }
    return segments
  }

  /** Position, among the files that have bytes, of the one that holds `offset` (which must be in the torrent). */
  #positionOf(offset: number): number {
    let low = 0
    let high = (this.#filled?.length ?? this.files.length) - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.files[this.#indexOf(middle)]!.offset <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  #indexOf(position: number): number {
    return this.#filled === undefined ? position : this.#filled[position]!
  }
}

function invalid(what: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `impossible torrent geometry: ${what}`)
}

function filledFiles(files: readonly GeometryFile[], count: number): Uint32Array {
  const filled = new Uint32Array(count)
  let position = 0
  for (let index = 0; index < files.length; index++) if (files[index]!.length > 0) filled[position++] = index
  return filled
}

function mergedPads(files: readonly GeometryFile[], count: number): Float64Array {
  const pads = new Float64Array(count * 2)
  let next = 0
  for (const file of files) {
    if (!file.pad || file.length === 0) continue
    if (next > 0 && pads[next - 1] === file.offset) pads[next - 1] = file.offset + file.length
    else {
      pads[next++] = file.offset
      pads[next++] = file.offset + file.length
    }
  }
  return pads
}

/** Position in `pads` of the last range that begins before `offset`; -1 when none does. */
function lastBefore(pads: Float64Array, offset: number): number {
  let low = -1
  let high = pads.length / 2 - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (pads[middle * 2]! < offset) low = middle
    else high = middle - 1
  }
  return low * 2
}

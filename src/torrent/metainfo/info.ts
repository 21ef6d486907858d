/**
 * The info dictionary of a torrent, read from its raw bytes (BEP 3; pad files BEP 47; private BEP 27; hybrids BEP 52).
 *
 * Owns what an info dictionary must look like to be accepted. Must not know where the bytes came from.
 */
import { createHash } from 'node:crypto'
import { TorrentError, messageOf } from '../errors.js'
import { Geometry } from '../pieces/geometry.js'
import { BencodeNode } from './bencode-node.js'
import { distinctPaths, safeComponent, utf8Text } from './safe-path.js'

/** Bytes in the digest of a piece. */
export const PIECE_HASH_LENGTH = 20

/** Largest piece length that is accepted, in bytes: a whole piece must fit in memory to be checked. */
export const MAX_PIECE_LENGTH = 512 * 1024 * 1024

/** Largest info dictionary that is accepted, in bytes: 3 million pieces. */
export const MAX_INFO_BYTES = 64 * 1024 * 1024

/** One file of a torrent. */
export interface InfoFile {
  /** Position in {@link Info.files}. */
  readonly index: number
  /**
   * Safe and unique components below the torrent's root; in a single-file torrent, the torrent's name alone. Pad files
   * are nowhere on disk or in a tree: their paths are not unique and mean nothing.
   */
  readonly path: readonly string[]
  /** First byte of the file in the torrent. */
  readonly offset: number
  /** Bytes in the file; may be 0. */
  readonly length: number
  /** A pad file (BEP 47): zeros, not stored, not shown, not asked for. */
  readonly pad: boolean
}

/** An info dictionary that was checked and is safe to use. Immutable. */
export interface Info {
  /** SHA-1 of `raw` as 40 lower-case hexadecimal digits. */
  readonly infohash: string
  /** The info dictionary's own bytes, as they came; served to peers (BEP 9). */
  readonly raw: Uint8Array
  /** The torrent's name, safe as one path component. */
  readonly name: string
  /** Bytes in a piece (the last may be shorter). */
  readonly pieceLength: number
  /** Bytes in the torrent, pad files included. */
  readonly length: number
  /** SHA-1 digests of the pieces, 20 bytes each: a view into `raw`. */
  readonly pieceHashes: Uint8Array
  /** Every file in torrent order, pad files included. */
  readonly files: readonly InfoFile[]
  /** BEP 27: peers come from the trackers only. */
  readonly private: boolean
  /** Whether the torrent is a folder (`files`) rather than a single file (`length`). */
  readonly multiFile: boolean
  /** Piece, block and file arithmetic over `files`. */
  readonly geometry: Geometry
  /** Whether the torrent also has a v2 half (BEP 52), which is not used. */
  readonly hybrid: boolean
}

/**
 * Reads an info dictionary.
 *
 * Symbolic links (BEP 47, attribute `l`) come out as ordinary files, nearly always empty: a link whose target a stranger
 * chose is never made.
 *
 * @param raw exactly the bytes of the dictionary; the result keeps them (not a copy), so they must not change afterwards
 * @throws ERR_TORRENTFS_METAINFO when it is no valid info dictionary
 * @throws ERR_TORRENTFS_V2_ONLY when it has no v1 half
 */
export function parseInfo(raw: Uint8Array): Info {
  if (raw.length > MAX_INFO_BYTES) throw invalid(`${raw.length} bytes are more than ${MAX_INFO_BYTES}`)
  const bytes = new Uint8Array(raw.buffer, raw.byteOffset, raw.length)
  const root = scanned(bytes)
  const keys = root.pick([
    'attr',
    'file tree',
    'files',
    'length',
    'meta version',
    'name',
    'name.utf-8',
    'piece length',
    'pieces',
    'private',
  ])

  const v2 = keys['file tree'] !== undefined || (keys['meta version']?.size ?? 1) >= 2
  const pieceHashes = keys.pieces?.bytes
  if (pieceHashes === undefined) {
    if (v2)
      throw new TorrentError('ERR_TORRENTFS_V2_ONLY', 'torrents of version 2 alone are not supported yet')
    throw invalid('no piece hashes')
  }
  if (pieceHashes.length % PIECE_HASH_LENGTH !== 0) throw invalid('piece hashes of a broken length')
  const pieceLength = keys['piece length']?.size ?? 0
  if (pieceLength < 1 || pieceLength > MAX_PIECE_LENGTH) {
    throw invalid(`piece length must be in [1, ${MAX_PIECE_LENGTH}]`)
  }

  const infohash = createHash('sha1').update(bytes).digest('hex')
  const name = nameOf(keys['name.utf-8'], keys.name, infohash)
  const multiFile = keys.files !== undefined
  const files = keys.files ? listedFiles(keys.files, pieceLength) : [singleFile(name, keys.length)]
  const last = files[files.length - 1]!
  const length = last.offset + last.length
  const pieceCount = Math.ceil(length / pieceLength)
  if (pieceHashes.length !== pieceCount * PIECE_HASH_LENGTH) {
    throw invalid(`${pieceHashes.length / PIECE_HASH_LENGTH} piece hashes where ${pieceCount} are needed`)
  }
  return {
    infohash,
    raw: bytes,
    name,
    pieceLength,
    length,
    pieceHashes,
    files,
    private: (keys.private?.size ?? 0) > 0,
    multiFile,
    geometry: new Geometry({ length, pieceLength, files }),
    hybrid: v2,
  }
}

function invalid(why: string, cause?: unknown): TorrentError {
  return new TorrentError('ERR_TORRENTFS_METAINFO', `not a valid info dictionary: ${why}`, { cause })
}

function scanned(bytes: Uint8Array): BencodeNode {
  let scan
  try {
    scan = BencodeNode.scan(bytes)
  } catch (error) {
    throw invalid(messageOf(error), error)
  }
  // Two clients could read two different torrents out of it.
  if (scan.report.duplicates) throw invalid('a key comes twice')
  if (scan.root.kind !== 'dictionary') throw invalid('not a dictionary')
  return scan.root
}

/** A name of nothing gives way to the infohash: it is the one name that is there and no one else's. */
function nameOf(utf8: BencodeNode | undefined, plain: BencodeNode | undefined, infohash: string): string {
  const bytes = plain?.bytes
  const name = utf8Of(utf8) ?? bytes
  if (name === undefined || name.length === 0) return infohash
  const safe = safeComponent(name)
  // The folder of resume state lies beside the torrents' own.
  return safe === STATE_FOLDER ? `_${safe}` : safe
}

/** The name of the folder for resume state in a download folder; no torrent may have it. */
export const STATE_FOLDER = '.torrentfs'

/** The bytes of a `.utf-8` variant of a string, if it is one and keeps its promise. */
function utf8Of(node: BencodeNode | undefined): Uint8Array | undefined {
  const bytes = node?.bytes
  return bytes !== undefined && bytes.length > 0 && utf8Text(bytes) !== undefined ? bytes : undefined
}

function singleFile(name: string, length: BencodeNode | undefined): InfoFile {
  const size = length?.size
  if (size === undefined) throw invalid('neither files nor a length')
  return { index: 0, path: [name], offset: 0, length: size, pad: false }
}

const FILE_KEYS = ['attr', 'length', 'path', 'path.utf-8'] as const

/** What every pad file is called; shared, for a hybrid has as many pad files as files. */
const PAD_PATH: readonly string[] = Object.freeze(['.pad'])

function listedFiles(list: BencodeNode, pieceLength: number): InfoFile[] {
  if (list.kind !== 'list') throw invalid('files that are not a list')
  const paths: (readonly string[])[] = []
  const lengths: number[] = []
  const pads: boolean[] = []
  let total = 0
  let previous: readonly string[] = []
  for (const node of list.items()) {
    const keys = node.pick(FILE_KEYS)
    const attributes = keys.attr?.bytes
    const link = attributes?.includes(LINK) === true
    const length = keys.length === undefined && link ? 0 : keys.length?.size
    if (length === undefined) throw invalid('a file without a length')
    total += length
    if (!Number.isSafeInteger(total)) throw invalid('more bytes than can be counted')
    const path = pathOf(keys['path.utf-8'], keys.path, previous)
    const pad = attributes?.includes(PAD) === true || isNamedPad(path, length, total, pieceLength)
    if (!pad) previous = path
    paths.push(path)
    lengths.push(length)
    pads.push(pad)
  }
  if (paths.length === 0) throw invalid('no files')

  const distinct = distinctPaths(paths.filter((_, index) => !pads[index]))
  const files: InfoFile[] = []
  let offset = 0
  let shown = 0
  for (let index = 0; index < paths.length; index++) {
    const pad = pads[index]!
    const length = lengths[index]!
    files.push({ index, path: pad ? PAD_PATH : distinct[shown++]!, offset, length, pad })
    offset += length
  }
  return files
}

/** The attributes of BEP 47 that matter here. */
const PAD = 'p'.charCodeAt(0)
const LINK = 'l'.charCodeAt(0)

/**
 * Pad files of programs that wrote no attribute: known by name, and only believed where padding makes sense, that is
 * short of a piece and up to the end of one.
 */
function isNamedPad(path: readonly string[], length: number, end: number, pieceLength: number): boolean {
  if (length === 0 || length >= pieceLength || end % pieceLength !== 0) return false
  if (path.length === 2 && path[0] === '.pad') return /^\d+$/.test(path[1]!)
  return path[path.length - 1]!.startsWith('_____padding_file_')
}

/** @param previous the path of the file before: equal strings are taken from it, for most files share their folders */
function pathOf(
  utf8: BencodeNode | undefined,
  plain: BencodeNode | undefined,
  previous: readonly string[],
): readonly string[] {
  const path = (utf8 && componentsOf(utf8, true)) ?? (plain && componentsOf(plain, false))
  if (path === undefined) throw invalid('a file without a path')
  for (let depth = 0; depth < path.length && path[depth] === previous[depth]; depth++)
    path[depth] = previous[depth]!
  return path
}

function componentsOf(list: BencodeNode, mustBeUtf8: boolean): string[] | undefined {
  if (list.kind !== 'list') return undefined
  const path: string[] = []
  for (const item of list.items()) {
    const bytes = item.bytes
    if (bytes === undefined || (mustBeUtf8 && utf8Text(bytes) === undefined)) return undefined
    path.push(safeComponent(bytes))
  }
  if (path.length === 0) return mustBeUtf8 ? undefined : [safeComponent('')]
  return path
}

/**
 * Writing metainfo files (BEP 3, 12, 17, 19, 27): from names, lengths and hashes that are known already.
 *
 * Owns the form of what we write. Must not read files: `../create.ts` walks and hashes. Pure.
 */
import { TorrentError } from '../errors.js'
import { encodeBencode, type BencodeInput } from './bencode.js'
import type { HostPort } from './addresses.js'
import { PIECE_HASH_LENGTH } from './info.js'

/** A file to be listed in a metainfo file. */
export interface BuildFile {
  /** Components below the torrent's root: text, or bytes where a name is not UTF-8. Written as they are. */
  readonly path: readonly (string | Uint8Array)[]
  /** Bytes in the file. */
  readonly length: number
  /** Make it a pad file (BEP 47). */
  readonly pad?: boolean
}

/** What may stand around an info dictionary. */
export interface MetainfoFields {
  /** Tracker URLs in tiers. */
  readonly trackers?: readonly (readonly string[])[]
  /** HTTP(S) sources of the content as files (BEP 19). */
  readonly webSeeds?: readonly string[]
  /** HTTP(S) sources of the content as pieces (BEP 17). */
  readonly httpSeeds?: readonly string[]
  /** DHT nodes. */
  readonly nodes?: readonly HostPort[]
  readonly comment?: string
  readonly createdBy?: string
  /** In ms since 1970; written in seconds. */
  readonly creationDate?: number
}

/** What {@link buildInfo} needs: either `length`, for a torrent of one file, or `files`. */
export interface InfoFields {
  /** The torrent's name: text, or bytes where it is not UTF-8. Written as it is. */
  readonly name: string | Uint8Array
  /** Bytes in a piece. */
  readonly pieceLength: number
  /** SHA-1 digests of the pieces, 20 bytes each. */
  readonly pieceHashes: Uint8Array
  /** Bytes in the only file. */
  readonly length?: number
  /** The files in torrent order. */
  readonly files?: readonly BuildFile[]
  /** BEP 27. */
  readonly private?: boolean
  /** Any text; another one makes another infohash (private trackers want that). */
  readonly source?: string
}

/**
 * The bytes of an info dictionary.
 *
 * @throws ERR_TORRENTFS_ARGUMENT when the fields do not fit together
 */
export function buildInfo(o: InfoFields): Uint8Array {
  if ((o.files === undefined) === (o.length === undefined))
    throw invalid('either files or a length is needed')
  if (o.files?.length === 0) throw invalid('no files')
  const length = o.length ?? o.files!.reduce((total, file) => total + file.length, 0)
  if (!Number.isSafeInteger(length) || length < 0) throw invalid(`a length of ${length}`)
  if (!Number.isSafeInteger(o.pieceLength) || o.pieceLength < 1)
    throw invalid(`a piece length of ${o.pieceLength}`)
  if (o.pieceHashes.length !== Math.ceil(length / o.pieceLength) * PIECE_HASH_LENGTH) {
    throw invalid(`${o.pieceHashes.length} bytes of piece hashes for ${length} bytes`)
  }
  return encodeBencode({
    files: o.files?.map(file => ({
      attr: file.pad === true ? 'p' : undefined,
      length: file.length,
      path: file.path,
    })),
    length: o.length,
    name: o.name,
    'piece length': o.pieceLength,
    pieces: o.pieceHashes,
    private: o.private === true ? 1 : undefined,
    source: o.source,
  })
}

/**
 * The bytes of a metainfo file around an info dictionary, whose bytes stay as they are (so does the infohash).
 *
 * @param info a whole bencoded dictionary, such as one that came from peers
 */
export function wrapInfo(info: Uint8Array, o: MetainfoFields = {}): Uint8Array {
  const tiers = (o.trackers ?? []).filter(tier => tier.length > 0)
  const before = encodeBencode({
    announce: tiers[0]?.[0],
    'announce-list': tiers.flat().length > 1 ? tiers : undefined,
    comment: o.comment,
    'created by': o.createdBy,
    'creation date': o.creationDate === undefined ? undefined : Math.floor(o.creationDate / 1000),
    httpseeds: filled(o.httpSeeds),
  })
  const after = encodeBencode({
    nodes: filled(o.nodes)?.map(({ host, port }) => [host, port]),
    'url-list': filled(o.webSeeds),
  } satisfies Record<string, BencodeInput | undefined>)
  // The info dictionary is spliced in, between the keys that sort before it and after it.
  const bytes = Buffer.concat([before.subarray(0, -1), Buffer.from('4:info'), info, after.subarray(1)])
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/**
 * The bytes of a metainfo file.
 *
 * @throws ERR_TORRENTFS_ARGUMENT when the fields do not fit together
 */
export function buildMetainfo(o: InfoFields & MetainfoFields): Uint8Array {
  return wrapInfo(buildInfo(o), o)
}

function invalid(why: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `cannot write a metainfo file: ${why}`)
}

function filled<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list !== undefined && list.length > 0 ? list : undefined
}

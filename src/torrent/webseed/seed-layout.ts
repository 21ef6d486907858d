/**
 * How a web seed lays out a torrent's content in HTTP resources: as files (BEP 19, GetRight) or as pieces (BEP 17,
 * Hoffman).
 *
 * Owns the URLs and the ranges of requests. A part is what one resource holds: a file, or a piece. Pure.
 */
import type { Info } from '../metainfo/info.js'
import type { RawName, RawNames } from '../metainfo/raw-names.js'

/** Which of the two protocols a web seed speaks. */
export type WebSeedKind = 'files' | 'pieces'

/** The torrent's bytes [begin, end), which one resource holds. */
export interface SeedPart {
  readonly index: number
  readonly begin: number
  readonly end: number
  /** A pad file (BEP 47): zeros that no server has. */
  readonly pad: boolean
}

/** What to ask of a server. */
export interface SeedRequest {
  readonly url: URL
  /** The value of the `Range` header; undefined where the URL says it all. */
  readonly range: string | undefined
  /** Of the bytes the resource holds, the first that is asked for. */
  readonly first: number
  /** Bytes that are asked for. */
  readonly length: number
  /** Bytes of the whole resource; undefined where the answer is just what was asked for. */
  readonly total: number | undefined
}

/** Where a web seed has what. */
export interface SeedLayout {
  readonly kind: WebSeedKind
  readonly partCount: number
  /** The part that holds a byte of the torrent, which must be there. */
  partAt(offset: number): SeedPart
  /** How to ask for the torrent's bytes [begin, end), which lie in `part`. */
  request(part: SeedPart, begin: number, end: number): SeedRequest
}

/** The layout of a web seed at `url`. `names` are those of the same torrent. */
export function seedLayout(kind: WebSeedKind, url: URL, info: Info, names: RawNames): SeedLayout {
  return kind === 'files' ? new FileLayout(url, info, names) : new PieceLayout(url, info)
}

/** BEP 19: every file is a resource below the URL. */
class FileLayout implements SeedLayout {
  readonly kind = 'files'
  readonly partCount: number
  readonly #info: Info
  readonly #names: RawNames
  /** What all files' URLs begin with; of a torrent of one file, its URL. */
  readonly #base: string

  constructor(url: URL, info: Info, names: RawNames) {
    this.partCount = info.files.length
    this.#info = info
    this.#names = names
    const { href } = url
    const root = escaped(names.name, info.name)
    if (info.multiFile) this.#base = `${href.endsWith('/') ? href : `${href}/`}${root}/`
    else this.#base = href.endsWith('/') ? href + root : href
  }

  partAt(offset: number): SeedPart {
    const index = this.#info.geometry.fileAt(offset)
    const file = this.#info.files[index]!
    return { index, begin: file.offset, end: file.offset + file.length, pad: file.pad }
  }

  request(part: SeedPart, begin: number, end: number): SeedRequest {
    const first = begin - part.begin
    return {
      url: new URL(this.#info.multiFile ? this.#base + this.#pathOf(part.index) : this.#base),
      range: `bytes=${first}-${end - part.begin - 1}`,
      first,
      length: end - begin,
      total: part.end - part.begin,
    }
  }

  #pathOf(file: number): string {
    const safe = this.#info.files[file]!.path
    const raw = this.#names.pathOf(file)
    if (raw.length === 0) return safe.map(name => escaped(undefined, name)).join('/')
    return raw.map((name, depth) => escaped(name, safe[depth] ?? '_')).join('/')
  }
}

/** BEP 17: a program at the URL gives ranges of pieces. */
class PieceLayout implements SeedLayout {
  readonly kind = 'pieces'
  readonly partCount: number
  readonly #info: Info
  readonly #base: string

  constructor(url: URL, info: Info) {
    this.partCount = info.geometry.pieceCount
    this.#info = info
    const hash = Buffer.from(info.infohash, 'hex').reduce((text, byte) => text + escapedByte(byte), '')
    this.#base = `${url.href}${url.search === '' ? '?' : '&'}info_hash=${hash}`
  }

  partAt(offset: number): SeedPart {
    const { geometry } = this.#info
    const index = Math.floor(offset / geometry.pieceLength)
    const begin = geometry.pieceOffset(index)
    return { index, begin, end: begin + geometry.pieceSize(index), pad: false }
  }

  request(part: SeedPart, begin: number, end: number): SeedRequest {
    const first = begin - part.begin
    const ranges = `${first}-${end - part.begin - 1}`
    return {
      url: new URL(`${this.#base}&piece=${part.index}&ranges=${ranges}`),
      range: undefined,
      first,
      length: end - begin,
      total: undefined,
    }
  }
}

/**
 * A name as one component of a URL. Names that a URL cannot have as a component (nothing, `.`, `..`) are on no server:
 * their safe form at least leads nowhere else.
 */
function escaped(name: RawName | undefined, safe: string): string {
  if (name === undefined || name.bytes.length === 0 || name.text === '.' || name.text === '..') {
    return encodeURIComponent(safe.toWellFormed())
  }
  if (name.text !== undefined) return encodeURIComponent(name.text)
  return name.bytes.reduce((text, byte) => text + escapedByte(byte), '')
}

const UNRESERVED = /[A-Za-z0-9._~-]/

function escapedByte(byte: number): string {
  const character = String.fromCharCode(byte)
  if (byte < 0x80 && UNRESERVED.test(character)) return character
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

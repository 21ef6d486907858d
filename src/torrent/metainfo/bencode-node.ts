/**
 * A reader of bencoded bytes in place (BEP 3): values are offsets and views, made only when asked for.
 *
 * So the raw bytes of a value are at hand (an infohash is the hash of those), integers beyond 2^53 are exact, keys need
 * not be text, and a dictionary of megabytes is read without a copy of it. Nothing is read that the scanner did not pass.
 */
import {
  BYTE_COLON,
  BYTE_DICTIONARY,
  BYTE_END,
  BYTE_INTEGER,
  BYTE_LIST,
  BYTE_MINUS,
  BYTE_ZERO,
  scanBencode,
  type ScanOptions,
  type ScanReport,
} from './bencode-scanner.js'

/** The four kinds of bencoded values. */
export type BencodeKind = 'integer' | 'string' | 'list' | 'dictionary'

/** One value within bencoded bytes. Holds the bytes by reference; they must not change. */
export class BencodeNode {
  /** Offset of the value's first byte. */
  readonly begin: number
  readonly #source: Uint8Array

  private constructor(source: Uint8Array, begin: number) {
    this.#source = source
    this.begin = begin
  }

  /**
   * Scans the bytes and returns their value together with the scanner's report.
   *
   * @throws ERR_TORRENTFS_BENCODE
   */
  static scan(bytes: Uint8Array, options?: ScanOptions): { root: BencodeNode; report: ScanReport } {
    const report = scanBencode(bytes, options)
    return { root: new BencodeNode(bytes, options?.offset ?? 0), report }
  }

  /** What kind of value this is. */
  get kind(): BencodeKind {
    const byte = this.#source[this.begin]
    if (byte === BYTE_INTEGER) return 'integer'
    if (byte === BYTE_LIST) return 'list'
    return byte === BYTE_DICTIONARY ? 'dictionary' : 'string'
  }

  /** One past the value's last byte. For lists and dictionaries this walks them. */
  get end(): number {
    return endOf(this.#source, this.begin)
  }

  /** The value's own encoding: a view. */
  get raw(): Uint8Array {
    return view(this.#source, this.begin, this.end)
  }

  /** The content of a string: a view; undefined for the other kinds. */
  get bytes(): Uint8Array | undefined {
    if (this.kind !== 'string') return undefined
    return view(this.#source, contentOf(this.#source, this.begin), this.end)
  }

  /** An integer: a number when it is a safe one, else a bigint; undefined for the other kinds. */
  get integer(): number | bigint | undefined {
    if (this.kind !== 'integer') return undefined
    let position = this.begin + 1
    const negative = this.#source[position] === BYTE_MINUS
    if (negative) position++
    const first = position
    let value = 0
    for (; this.#source[position] !== BYTE_END; position++)
      value = value * 10 + (this.#source[position]! - BYTE_ZERO)
    if (Number.isSafeInteger(value)) return negative ? -value : value
    const exact = BigInt(Buffer.from(view(this.#source, first, position)).toString('latin1'))
    return negative ? -exact : exact
  }

  /** An integer in [0, 2^53); undefined for everything else. */
  get size(): number | undefined {
    const value = this.integer
    return typeof value === 'number' && value >= 0 ? value : undefined
  }

  /** The items of a list, in order; none for the other kinds. */
  *items(): Generator<BencodeNode, void, undefined> {
    if (this.kind !== 'list') return
    for (let position = this.begin + 1; this.#source[position] !== BYTE_END;) {
      yield new BencodeNode(this.#source, position)
      position = endOf(this.#source, position)
    }
  }

  /** The keys (views) and values of a dictionary, as they come; none for the other kinds. */
  *entries(): Generator<[key: Uint8Array, value: BencodeNode], void, undefined> {
    if (this.kind !== 'dictionary') return
    for (let position = this.begin + 1; this.#source[position] !== BYTE_END;) {
      const end = endOf(this.#source, position)
      yield [view(this.#source, contentOf(this.#source, position), end), new BencodeNode(this.#source, end)]
      position = endOf(this.#source, end)
    }
  }

  /** The values of the named keys (ASCII), in one walk. A key that comes twice gives its first value. */
  pick<K extends string>(keys: readonly K[]): Partial<Record<K, BencodeNode>> {
    const picked: Partial<Record<K, BencodeNode>> = {}
    if (this.kind !== 'dictionary') return picked
    const source = this.#source
    for (let position = this.begin + 1; source[position] !== BYTE_END;) {
      const content = contentOf(source, position)
      const end = endOf(source, position)
      const key = keys.find(wanted => isText(source, content, end, wanted))
      if (key !== undefined) picked[key] ??= new BencodeNode(source, end)
      position = endOf(source, end)
    }
    return picked
  }

  /** The value of one key (ASCII) of a dictionary. */
  get(key: string): BencodeNode | undefined {
    return this.pick([key])[key]
  }
}

function view(source: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(source.buffer, source.byteOffset + begin, end - begin)
}

/** Offset of the first byte of a string's content. */
function contentOf(source: Uint8Array, begin: number): number {
  let position = begin
  while (source[position] !== BYTE_COLON) position++
  return position + 1
}

/** One past the value that begins at `begin`, in bytes that passed the scanner. */
function endOf(source: Uint8Array, begin: number): number {
  let position = begin
  let depth = 0
  do {
    const byte = source[position]
    if (byte === BYTE_LIST || byte === BYTE_DICTIONARY) {
      depth++
      position++
    } else if (byte === BYTE_END) {
      depth--
      position++
    } else if (byte === BYTE_INTEGER) {
      while (source[position] !== BYTE_END) position++
      position++
    } else {
      let length = 0
      for (; source[position] !== BYTE_COLON; position++)
        length = length * 10 + (source[position]! - BYTE_ZERO)
      position += 1 + length
    }
  } while (depth > 0)
  return position
}

function isText(source: Uint8Array, begin: number, end: number, text: string): boolean {
  if (end - begin !== text.length) return false
  for (let index = 0; index < text.length; index++) {
    if (source[begin + index] !== text.charCodeAt(index)) return false
  }
  return true
}

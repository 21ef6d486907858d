/**
 * Reads bencode from a stream of bytes cut anywhere (BEP 3): tells of each value as it comes, with the place of its bytes.
 *
 * Owns what is unfinished: the open containers, and at most one string. Must not keep the bytes it is fed, nor reserve
 * memory because of a number that they state. What it tells, and what it refuses, is the same however the bytes are cut.
 */
import { TorrentError } from '../errors.js'
import {
  BYTE_COLON,
  BYTE_DICTIONARY,
  BYTE_END,
  BYTE_INTEGER,
  BYTE_LIST,
  BYTE_MINUS,
  BYTE_ZERO,
} from './bencode-scanner.js'

/**
 * Who hears of what is decoded, synchronously while bytes are fed. Offsets count from the first byte that was fed;
 * `[begin, end)` is the value's own encoding. Bytes belong to the receiver. What a listener throws ends the decoding.
 */
export interface BencodeListener {
  /** An integer: a number when it is a safe one, else a bigint. */
  integer(value: number | bigint, begin: number, end: number): void
  /** A string that is a value. */
  string(bytes: Uint8Array, begin: number, end: number): void
  /** A string that is the key of the value that comes next. */
  key(bytes: Uint8Array, begin: number, end: number): void
  /** A list or dictionary begins. */
  open(kind: 'list' | 'dictionary', begin: number): void
  /** A list or dictionary ends. */
  close(kind: 'list' | 'dictionary', begin: number, end: number): void
}

/** How bytes are judged, and how much of them is taken. */
export interface BencodeDecoderOptions {
  /**
   * Take what some programs write though BEP 3 forbids it: keys out of order or twice, zeros in front of integers and
   * lengths, `-0`, white space around outermost values. Off by default. What has more than one reading is refused always.
   */
  readonly lenient?: boolean
  /** Lists and dictionaries within each other, in [0, 1000]; 100 by default. */
  readonly maxDepth?: number
  /** Bytes in one string; 64 MiB by default. */
  readonly maxStringBytes?: number
  /** Bytes in one outermost value; 256 MiB by default. */
  readonly maxBytes?: number
  /** Values in one outermost value, itself counted, keys not: each takes memory, and 2 bytes make one; 4 Mi by default. */
  readonly maxValues?: number
  /** Digits of one integer; 100 by default. */
  readonly maxDigits?: number
}

const MIB = 1024 * 1024
const DEFAULTS = {
  maxDepth: 100,
  maxStringBytes: 64 * MIB,
  maxBytes: 256 * MIB,
  maxValues: 4 * MIB,
  maxDigits: 100,
}
const MOST_DEPTH = 1000
/** Memory for a long string is reserved in steps, as its bytes come. */
const FIRST_STEP = 16 * 1024

interface Container {
  readonly dictionary: boolean
  readonly begin: number
  /** The last key of a dictionary. */
  key: Uint8Array | undefined
  /** The key's value is due. */
  valueDue: boolean
}

/** The state machine of one stream of any number of values, one behind the other. */
export class BencodeDecoder {
  readonly #listener: BencodeListener
  readonly #lenient: boolean
  readonly #limits: typeof DEFAULTS
  readonly #open: Container[] = []
  #failed = false
  #position = 0
  /** Where the outermost value began, and how many values it has so far. */
  #rootBegin = 0
  #values = 0
  /** Of the integer, or the string, that is being read: where it began; -1 while there is none. */
  #begin = -1
  /** The digits of an integer, with its sign; undefined while none is being read. */
  #digits: string | undefined
  /** The length of a string as far as it is known, and how many digits that took. */
  #length = 0
  #lengthDigits = 0
  /** The string's bytes; undefined while its length is being read. */
  #content: Uint8Array | undefined
  #filled = 0

  /** @throws ERR_TORRENTFS_ARGUMENT for a limit that makes no sense */
  constructor(listener: BencodeListener, options: BencodeDecoderOptions = {}) {
    this.#listener = listener
    this.#lenient = options.lenient ?? false
    this.#limits = { ...DEFAULTS }
    for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
      const limit = options[name] ?? DEFAULTS[name]
      if (!Number.isSafeInteger(limit) || limit < 0 || (name === 'maxDepth' && limit > MOST_DEPTH))
        throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${name}: ${limit}`)
      this.#limits[name] = limit
    }
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position
  }

  /** Whether the bytes taken so far end behind an outermost value, or are none. */
  get atBoundary(): boolean {
    return this.#begin < 0 && this.#open.length === 0
  }

  /**
   * Takes the next bytes. After it threw it takes nothing more.
   *
   * @throws ERR_TORRENTFS_BENCODE naming the offset; ERR_TORRENTFS_CLOSED after it threw before
   */
  push(bytes: Uint8Array): void {
    if (this.#failed) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the decoder met invalid bytes before')
    // Undone below: what throws in between has ended this decoder.
    this.#failed = true
    for (let at = 0; at < bytes.length;) {
      if (this.#content !== undefined) {
        at += this.#fill(bytes, at)
        continue
      }
      this.#byte(bytes[at]!)
      at++
      this.#position++
      // A string of nothing has no byte that would end it.
      if (this.#content !== undefined && this.#length === 0) this.#endString()
    }
    this.#failed = false
  }

  /**
   * Says that there are no more bytes.
   *
   * @throws ERR_TORRENTFS_BENCODE when they ended within a value
   */
  finish(): void {
    if (!this.atBoundary) throw this.#invalid(this.#position, 'the bytes end within a value')
    this.#failed = true
  }

  #byte(byte: number): void {
    if (!this.atBoundary) this.#checkBytes(1)
    if (this.#digits !== undefined) this.#digit(byte)
    else if (this.#begin >= 0) this.#lengthByte(byte)
    else this.#first(byte)
  }

  /** The first byte of a value or key, or the end of a container. */
  #first(byte: number): void {
    const container = this.#open.at(-1)
    if (container === undefined) {
      if (this.#lenient && (byte === 0x0a || byte === 0x0d || byte === 0x20 || byte === 0x09)) return
      this.#rootBegin = this.#position
      this.#values = 0
    } else if (byte === BYTE_END) {
      if (container.valueDue) throw this.#invalid(this.#position, 'a key without a value')
      this.#open.pop()
      this.#listener.close(container.dictionary ? 'dictionary' : 'list', container.begin, this.#position + 1)
      this.#valueDone()
      return
    }
    const isKey = container?.dictionary === true && !container.valueDue
    if (isDigit(byte)) {
      this.#begin = this.#position
      this.#length = 0
      this.#lengthDigits = 0
      if (!isKey) this.#count()
      this.#lengthByte(byte)
      return
    }
    if (isKey) throw this.#invalid(this.#position, 'a key that is no string')
    if (byte === BYTE_INTEGER) {
      this.#begin = this.#position
      this.#digits = ''
    } else if (byte === BYTE_LIST || byte === BYTE_DICTIONARY) {
      if (this.#open.length === this.#limits.maxDepth)
        throw this.#invalid(this.#position, `more than ${this.#limits.maxDepth} values within each other`)
      const dictionary = byte === BYTE_DICTIONARY
      this.#open.push({ dictionary, begin: this.#position, key: undefined, valueDue: false })
      this.#listener.open(dictionary ? 'dictionary' : 'list', this.#position)
    } else throw this.#invalid(this.#position, 'not a value')
    this.#count()
  }

  #digit(byte: number): void {
    const text = this.#digits!
    if (isDigit(byte)) {
      if (text.length - (text.startsWith('-') ? 1 : 0) === this.#limits.maxDigits)
        throw this.#invalid(this.#begin, `an integer of more than ${this.#limits.maxDigits} digits`)
      this.#digits = text + String.fromCharCode(byte)
    } else if (byte === BYTE_MINUS && text === '') this.#digits = '-'
    else if (byte === BYTE_END && text !== '' && text !== '-') this.#endInteger(text)
    else throw this.#invalid(this.#begin, 'not an integer')
  }

  #endInteger(text: string): void {
    const begin = this.#begin
    if (!this.#lenient && /^(?:-0|0.)/.test(text))
      throw this.#invalid(begin, 'an integer with a leading zero')
    const value = Number(text)
    this.#begin = -1
    this.#digits = undefined
    // The sum makes 0 of -0.
    this.#listener.integer(Number.isSafeInteger(value) ? value + 0 : BigInt(text), begin, this.#position + 1)
    this.#valueDone()
  }

  #lengthByte(byte: number): void {
    if (isDigit(byte)) {
      if (this.#lengthDigits > 0 && this.#length === 0 && !this.#lenient)
        throw this.#invalid(this.#begin, 'a length with a leading zero')
      this.#lengthDigits++
      this.#length = this.#length * 10 + (byte - BYTE_ZERO)
      if (this.#length > this.#limits.maxStringBytes)
        throw this.#invalid(this.#begin, `a string of more than ${this.#limits.maxStringBytes} bytes`)
      return
    }
    if (byte !== BYTE_COLON) throw this.#invalid(this.#begin, 'not a value')
    this.#checkBytes(1 + this.#length)
    this.#content = new Uint8Array(Math.min(this.#length, FIRST_STEP))
    this.#filled = 0
  }

  /** Takes what there is of a string's bytes; returns how many. */
  #fill(bytes: Uint8Array, at: number): number {
    let content = this.#content!
    const count = Math.min(bytes.length - at, this.#length - this.#filled)
    if (this.#filled + count > content.length) {
      const wanted = Math.max(this.#filled + count, 2 * content.length)
      const grown = new Uint8Array(Math.min(this.#length, wanted))
      grown.set(content.subarray(0, this.#filled))
      this.#content = content = grown
    }
    content.set(bytes.subarray(at, at + count), this.#filled)
    this.#filled += count
    this.#position += count
    if (this.#filled === this.#length) this.#endString()
    return count
  }

  #endString(): void {
    const bytes = this.#content!
    const begin = this.#begin
    this.#begin = -1
    this.#content = undefined
    const container = this.#open.at(-1)
    if (container?.dictionary !== true || container.valueDue) {
      this.#listener.string(bytes, begin, this.#position)
      this.#valueDone()
      return
    }
    if (container.key !== undefined && !this.#lenient) {
      const order = Buffer.compare(container.key, bytes)
      if (order >= 0)
        throw this.#invalid(begin, order === 0 ? 'a key that comes twice' : 'a key out of order')
    }
    // A copy: the listener's may be changed.
    container.key = this.#lenient ? undefined : bytes.slice()
    container.valueDue = true
    this.#listener.key(bytes, begin, this.#position)
  }

  #valueDone(): void {
    const container = this.#open.at(-1)
    if (container !== undefined) container.valueDue = false
  }

  #count(): void {
    if (++this.#values > this.#limits.maxValues)
      throw this.#invalid(this.#position, `more than ${this.#limits.maxValues} values`)
  }

  /** Whether the outermost value may have as many more bytes. */
  #checkBytes(more: number): void {
    if (this.#position + more - this.#rootBegin > this.#limits.maxBytes)
      throw this.#invalid(this.#rootBegin, `a value of more than ${this.#limits.maxBytes} bytes`)
  }

  #invalid(position: number, why: string): TorrentError {
    return new TorrentError('ERR_TORRENTFS_BENCODE', `invalid bencode at byte ${position}: ${why}`)
  }
}

function isDigit(byte: number): boolean {
  return byte >= BYTE_ZERO && byte <= BYTE_ZERO + 9
}

/**
 * Bencode to plain values (BEP 3), from bytes or from a stream of them.
 *
 * Owns what the values look like. Whoever needs a value's own bytes (an infohash is the hash of those) uses
 * `bencode-node.ts`. Pure.
 */
import { TorrentError } from '../errors.js'
import { BencodeDecoder, type BencodeDecoderOptions, type BencodeListener } from './bencode-decoder.js'
import { utf8Text } from './safe-path.js'

/**
 * A decoded value: integers are numbers when they are safe ones, else bigints; strings are bytes (with the option `text`,
 * text where they are UTF-8); dictionaries are Maps in the order of the bytes, whose keys are byte strings: one
 * character (U+0000 to U+00FF) a byte, so that any key survives, and those of ASCII read as they are.
 */
export type BencodeValue = number | bigint | string | Uint8Array | BencodeValue[] | Map<string, BencodeValue>

/** How {@link decodeBencode} and {@link decodeBencodeStream} behave. */
export interface BencodeValueOptions extends BencodeDecoderOptions {
  /** Give strings that are UTF-8 as text; the others stay bytes. Off by default. */
  readonly text?: boolean
}

/** An outermost value of a stream, and where it lies. */
export interface BencodeItem {
  readonly value: BencodeValue
  /** Offset of its first byte in the stream. */
  readonly begin: number
  /** One past its last byte. */
  readonly end: number
}

/**
 * Decodes one value, which the bytes hold and nothing else (lenient: nothing but white space around it). Of a key that
 * comes twice, which only the lenient mode takes, the first value counts.
 *
 * @param bytes not kept
 * @throws ERR_TORRENTFS_BENCODE naming the offset; ERR_TORRENTFS_ARGUMENT for a limit that makes no sense
 */
export function decodeBencode(bytes: Uint8Array, options: BencodeValueOptions = {}): BencodeValue {
  let found: BencodeItem | undefined
  const builder = new ValueBuilder(options.text ?? false, item => {
    if (found !== undefined)
      throw new TorrentError(
        'ERR_TORRENTFS_BENCODE',
        `invalid bencode at byte ${item.begin}: bytes after the value`,
      )
    found = item
  })
  const decoder = new BencodeDecoder(builder, options)
  decoder.push(bytes)
  decoder.finish()
  if (found === undefined)
    throw new TorrentError('ERR_TORRENTFS_BENCODE', 'invalid bencode at byte 0: no value')
  return found.value
}

/**
 * Decodes values that come one behind the other, each as soon as it is whole. Ending the iteration ends the source.
 *
 * @param source bytes in any cuts: a stream of Node, a web stream, an array of parts
 * @throws ERR_TORRENTFS_BENCODE naming the offset, once the values before it were given; what the source throws
 */
export async function* decodeBencodeStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: BencodeValueOptions = {},
): AsyncGenerator<BencodeItem, void, undefined> {
  let items: BencodeItem[] = []
  const decoder = new BencodeDecoder(
    new ValueBuilder(options.text ?? false, item => items.push(item)),
    options,
  )
  for await (const bytes of source) {
    try {
      decoder.push(bytes)
    } catch (error) {
      yield* items
      throw error
    }
    const whole = items
    items = []
    yield* whole
  }
  decoder.finish()
}

interface Unfinished {
  readonly value: BencodeValue[] | Map<string, BencodeValue>
  /** The key whose value comes next. */
  key: string
}

/** Makes values of what the decoder tells. */
class ValueBuilder implements BencodeListener {
  readonly #text: boolean
  readonly #done: (item: BencodeItem) => void
  readonly #open: Unfinished[] = []

  constructor(text: boolean, done: (item: BencodeItem) => void) {
    this.#text = text
    this.#done = done
  }

  integer(value: number | bigint, begin: number, end: number): void {
    this.#add(value, begin, end)
  }

  string(bytes: Uint8Array, begin: number, end: number): void {
    this.#add((this.#text ? utf8Text(bytes) : undefined) ?? bytes, begin, end)
  }

  key(bytes: Uint8Array): void {
    this.#open.at(-1)!.key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  }

  open(kind: 'list' | 'dictionary'): void {
    this.#open.push({ value: kind === 'list' ? [] : new Map<string, BencodeValue>(), key: '' })
  }

  close(_kind: 'list' | 'dictionary', begin: number, end: number): void {
    this.#add(this.#open.pop()!.value, begin, end)
  }

  #add(value: BencodeValue, begin: number, end: number): void {
    const parent = this.#open.at(-1)
    if (parent === undefined) this.#done({ value, begin, end })
    else if (Array.isArray(parent.value)) parent.value.push(value)
    else if (!parent.value.has(parent.key)) parent.value.set(parent.key, value)
  }
}

/**
 * Spoilt inputs for decoders: valid samples with their bytes, numbers, lengths or structure changed, and mere noise.
 *
 * Owns how an input is made of a seed. Knows bencode's shape but no decoder.
 */
import { BencodeNode } from '../../src/torrent/metainfo/bencode-node.js'

/** Deterministic chance. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** In [0, 2^32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** A whole number in [0, bound); 0 when there is none. */
  below(bound: number): number {
    return bound > 0 ? this.next() % bound : 0
  }

  /** True one time in `times`. */
  oneIn(times: number): boolean {
    return this.next() % times === 0
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let i = 0; i < length; i++) bytes[i] = this.next()
    return bytes
  }
}

/** A number made of others, evenly spread: the seed of one input. */
export function mixedSeed(...parts: readonly number[]): number {
  let hash = 0x811c9dc5
  for (const part of parts) {
    hash = Math.imul(hash ^ (part >>> 0), 0x01000193)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x85ebca6b)
    hash ^= hash >>> 13
  }
  return hash >>> 0
}

/** What inputs look like when they are valid, so that spoilt ones get past the first check. */
export type Grammar = 'binary' | 'bencode' | 'text'

const NUMBERS = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
]
const DIGITS = [
  '0', '1', '-1', '-0', '00', '', '20', '68', '255', '65535', '65536', '2147483647', '2147483648', '4294967295',
  '4294967296', '9007199254740991', '9007199254740992', '18446744073709551615', '99999999999999999999',
  '-9223372036854775808', '100000000000000000000000', '1e9', '0x10',
] // prettier-ignore
const WORDS = [
  '%', '%00', '%zz', '%ff%fe', '&', '=', '?', '#', ':', '//', '\\', '\r\n', '\r\n\r\n', '\0', ' ', '\t', '\ufeff', '\ud800',
  '[::1]', '[', ']:', '127.0.0.1', '0.0.0.0:0', 'a'.repeat(300), '..', '/', '%2e%2e%2f', '-', '--', ',', ';', '*', 'bytes ',
  'xt=urn:btih:', 'xt=urn:btmh:1220', 'http://', 'udp://', '__proto__', 'constructor', 'NaN', 'Infinity',
] // prettier-ignore
const ALPHABET = Buffer.from('ildeilde0123456789:-')

/** An input: a spoilt sample mostly, noise sometimes, and now and then a sample as it is. */
export function spoiltInput(samples: readonly Uint8Array[], grammar: Grammar, chance: Chance): Buffer {
  const kind = chance.below(16)
  if (kind === 0) return chance.bytes(chance.below(chance.oneIn(20) ? 5000 : 200))
  if (kind === 1 && grammar === 'bencode') {
    return Buffer.from(chance.bytes(chance.below(100)).map(byte => ALPHABET[byte % ALPHABET.length]!))
  }
  const sample = chance.pick(samples)
  if (kind === 2) return Buffer.from(sample)
  let bytes = grammar === 'bencode' && kind < 10 ? spoiltTree(sample, chance) : Buffer.from(sample)
  if (grammar !== 'bencode' || kind >= 8) {
    for (let rounds = 1 + chance.below(3); rounds > 0; rounds--)
      bytes = spoilt(bytes, samples, grammar, chance)
  }
  return bytes
}

/** The input in parts of any lengths, as a socket would give it; some are empty. */
export function* cutAnyhow(input: Uint8Array, chance: Chance): Generator<Uint8Array, void, undefined> {
  const most = chance.pick([1, 3, 20, 300, input.length + 1].map(part => Math.max(part, input.length >> 7)))
  for (let at = 0; at < input.length;) {
    const count = Math.min(chance.below(most + 1), input.length - at)
    yield input.subarray(at, at + count)
    at += count
  }
}

function spoilt(bytes: Buffer, samples: readonly Uint8Array[], grammar: Grammar, chance: Chance): Buffer {
  const at = chance.below(bytes.length)
  const rest = bytes.length - at
  switch (chance.below(grammar === 'text' ? 12 : 10)) {
    case 0:
      if (bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << chance.below(8))
      return bytes
    case 1:
      if (bytes.length > 0) bytes[at] = chance.pick(NUMBERS)
      return bytes
    case 2:
      if (rest >= 4) bytes.writeUInt32BE(chance.pick([...NUMBERS, bytes.length, rest, rest - 4]) >>> 0, at)
      return bytes
    case 3:
      if (rest >= 2) bytes.writeUInt16BE(chance.pick(NUMBERS) & 0xffff, at)
      return bytes
    case 4:
      return bytes.subarray(0, at)
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + chance.below(Math.min(rest, 30)))])
    case 6:
      return Buffer.concat([bytes.subarray(0, at), chance.bytes(1 + chance.below(30)), bytes.subarray(at)])
    case 7: {
      const end = at + 1 + chance.below(rest)
      const times = Array.from({ length: 1 + chance.below(4) }, () => bytes.subarray(at, end))
      return Buffer.concat([bytes.subarray(0, end), ...times, bytes.subarray(end)])
    }
    case 8: {
      const other = chance.pick(samples)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(chance.below(other.length))])
    }
    case 9:
      return withDigits(bytes, at, chance)
    default:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(chance.pick(WORDS)), bytes.subarray(at)])
  }
}

/** Replaces the first row of digits behind `at`. */
function withDigits(bytes: Buffer, at: number, chance: Chance): Buffer {
  const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39
  let begin = at
  while (begin < bytes.length && !isDigit(bytes[begin])) begin++
  let end = begin
  while (isDigit(bytes[end])) end++
  return Buffer.concat([bytes.subarray(0, begin), Buffer.from(chance.pick(DIGITS)), bytes.subarray(end)])
}

type Tree =
  | { readonly kind: 'integer'; digits: string }
  | { readonly kind: 'string'; bytes: Uint8Array }
  | { readonly kind: 'list'; items: Tree[] }
  | { readonly kind: 'dictionary'; entries: [Uint8Array, Tree][] }

function treeOf(node: BencodeNode): Tree {
  switch (node.kind) {
    case 'integer':
      return { kind: 'integer', digits: String(node.integer) }
    case 'string':
      return { kind: 'string', bytes: node.bytes! }
    case 'list':
      return { kind: 'list', items: Array.from(node.items(), treeOf) }
    case 'dictionary':
      return {
        kind: 'dictionary',
        entries: Array.from(node.entries(), ([key, value]) => [key, treeOf(value)]),
      }
  }
}

/** Writes trees. One buffer for all: millions of inputs are made. */
class Writer {
  #bytes = Buffer.alloc(65536)
  #length = 0

  tree(tree: Tree): void {
    switch (tree.kind) {
      case 'integer':
        return this.#text(`i${tree.digits}e`)
      case 'string':
        return this.#string(tree.bytes)
      case 'list':
        this.#text('l')
        for (const item of tree.items) this.tree(item)
        return this.#text('e')
      case 'dictionary':
        this.#text('d')
        for (const [key, value] of tree.entries) {
          this.#string(key)
          this.tree(value)
        }
        this.#text('e')
    }
  }

  /** What was written, and begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    return taken
  }

  #string(bytes: Uint8Array): void {
    this.#text(`${bytes.length}:`)
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #text(text: string): void {
    this.#room(text.length)
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i)
  }

  #room(length: number): void {
    if (this.#length + length <= this.#bytes.length) return
    this.#bytes = Buffer.concat([this.#bytes], 2 * (this.#length + length))
  }
}

const writer = new Writer()
/** The samples as trees, and what stands behind each. */
const trees = new WeakMap<Uint8Array, { readonly tree: Tree; readonly behind: Uint8Array }>()

function treeOfSample(sample: Uint8Array): { readonly tree: Tree; readonly behind: Uint8Array } {
  const known = trees.get(sample)
  if (known !== undefined) return known
  const { root, report } = BencodeNode.scan(sample, { prefix: true })
  const found = { tree: treeOf(root), behind: sample.subarray(report.end) }
  trees.set(sample, found)
  return found
}

/** The sample with one to four of its values or keys changed, still well-formed unless a number was. */
function spoiltTree(sample: Uint8Array, chance: Chance): Buffer {
  const found = treeOfSample(sample)
  let tree = found.tree
  for (let rounds = 1 + chance.below(4); rounds > 0; rounds--) tree = spoiltNode(tree, chance)
  writer.tree(tree)
  const bytes = writer.take()
  return found.behind.length === 0 ? bytes : Buffer.concat([bytes, found.behind])
}

function spoiltNode(tree: Tree, chance: Chance): Tree {
  // Goes down rather than replace all of it.
  if (tree.kind === 'dictionary' && tree.entries.length > 0 && !chance.oneIn(12)) {
    const entries = [...tree.entries]
    const at = chance.below(entries.length)
    const [key, value] = entries[at]!
    switch (chance.below(8)) {
      case 0:
        entries.splice(at, 1)
        break
      case 1:
        entries.splice(at, 0, [key, anyTree(chance, 2)])
        break
      case 2:
        entries[at] = [spoiltString(key, chance), value]
        break
      case 3:
        entries.push([chance.bytes(chance.below(20)), anyTree(chance, 2)])
        break
      default:
        entries[at] = [key, spoiltNode(value, chance)]
    }
    return { kind: 'dictionary', entries }
  }
  if (tree.kind === 'list' && tree.items.length > 0 && !chance.oneIn(6)) {
    const items = [...tree.items]
    const at = chance.below(items.length)
    const kind = chance.below(6)
    if (kind === 0) items.splice(at, 1)
    else if (kind === 1) items.push(...items.slice(at))
    else items[at] = spoiltNode(items[at]!, chance)
    return { kind: 'list', items }
  }
  if (tree.kind === 'integer' && !chance.oneIn(3)) return { kind: 'integer', digits: chance.pick(DIGITS) }
  if (tree.kind === 'string' && !chance.oneIn(3))
    return { kind: 'string', bytes: spoiltString(tree.bytes, chance) }
  return anyTree(chance, 3)
}

function spoiltString(bytes: Uint8Array, chance: Chance): Uint8Array {
  switch (chance.below(5)) {
    case 0:
      return bytes.subarray(0, chance.below(bytes.length))
    case 1:
      return Buffer.concat([bytes, chance.bytes(1 + chance.below(20))])
    case 2:
      return Buffer.from(chance.pick(WORDS))
    case 3:
      return Buffer.concat(Array.from({ length: chance.below(20) }, () => bytes))
    default:
      return chance.bytes(bytes.length)
  }
}

function anyTree(chance: Chance, depth: number): Tree {
  switch (chance.below(depth > 0 ? 5 : 2)) {
    case 0:
      return { kind: 'integer', digits: chance.pick(DIGITS) }
    case 1:
      return { kind: 'string', bytes: chance.bytes(chance.below(40)) }
    case 2:
      return {
        kind: 'list',
        items: Array.from({ length: chance.below(4) }, () => anyTree(chance, depth - 1)),
      }
    case 3: {
      // As deep as a stack, or a scanner's limit, may not be.
      let tree: Tree = { kind: 'list', items: [] }
      for (let i = chance.below(chance.oneIn(30) ? 3000 : 30); i > 0; i--)
        tree = { kind: 'list', items: [tree] }
      return tree
    }
    default:
      return {
        kind: 'dictionary',
        entries: Array.from({ length: chance.below(4) }, () => [
          chance.bytes(chance.below(6)),
          anyTree(chance, depth - 1),
        ]),
      }
  }
}

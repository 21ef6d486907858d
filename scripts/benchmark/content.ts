/**
 * The torrents of the bench: made once into the cache, the same bytes on every machine. The files of metainfo
 * are written by the few lines here, not by the product, so that its own writer is not what is measured.
 */
import { createCipheriv, createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { CACHE } from './places.js'

/** A file and its torrent. */
export interface Content {
  readonly name: string
  /** The folder that holds the file: what a seeder calls its save path. */
  readonly folder: string
  readonly path: string
  readonly torrent: string
  readonly infohash: string
  /** bytes */
  readonly length: number
  /** bytes */
  readonly pieceLength: number
}

export const MIB = 1024 * 1024
export const GIB = 1024 * MIB

type Bencodable = number | string | Uint8Array | { [key: string]: Bencodable }

function encode(value: Bencodable): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${String(value)}e`)
  if (typeof value === 'string') return encode(Buffer.from(value))
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${String(value.length)}:`), value])
  const keys = Object.keys(value).sort()
  return Buffer.concat([
    Buffer.from('d'),
    ...keys.flatMap(key => [encode(key), encode(value[key] as Bencodable)]),
    Buffer.from('e'),
  ])
}

/** The metainfo of a single file and its infohash (hex). */
export function metainfoOf(o: {
  readonly name: string
  readonly length: number
  readonly pieceLength: number
  readonly pieces: Uint8Array
}): { bytes: Buffer; infohash: string } {
  const info = { length: o.length, name: o.name, 'piece length': o.pieceLength, pieces: o.pieces }
  return {
    bytes: encode({ 'creation date': 1_700_000_000, info }),
    infohash: createHash('sha1').update(encode(info)).digest('hex'),
  }
}

function remember(name: string, length: number, pieceLength: number, pieces: () => Uint8Array): Content {
  const folder = join(CACHE, 'content')
  const torrent = join(folder, `${name}.torrent`)
  const kept = join(folder, `${name}.infohash`)
  const path = join(folder, name)
  mkdirSync(folder, { recursive: true })
  if (!existsSync(kept) || !existsSync(path) || statSync(path).size !== length) {
    const made = metainfoOf({ name, length, pieceLength, pieces: pieces() })
    writeFileSync(torrent, made.bytes)
    writeFileSync(kept, made.infohash)
  }
  const infohash = createHash('sha1').update(encodeInfoOf(torrent)).digest('hex')
  return { name, folder, path, torrent, infohash, length, pieceLength }
}

function encodeInfoOf(torrent: string): Uint8Array {
  // The info dictionary is the last value of what metainfoOf writes.
  const bytes = readFileSync(torrent)
  const at = bytes.indexOf('4:info') + 6
  return bytes.subarray(at, bytes.length - 1)
}

/** Random bytes (AES-CTR of zeros: as random as any, and the same every time). */
export function randomContent(length = GIB, pieceLength = MIB): Content {
  const name = `random-${String(length / MIB)}m-${String(pieceLength / 1024)}k.bin`
  return remember(name, length, pieceLength, () => {
    const path = join(CACHE, 'content', name)
    const file = openSync(`${path}.part`, 'w')
    const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, name), Buffer.alloc(16))
    const zeros = Buffer.alloc(pieceLength)
    const digests: Buffer[] = []
    for (let offset = 0; offset < length; offset += pieceLength) {
      const piece = cipher.update(zeros.subarray(0, Math.min(pieceLength, length - offset)))
      writeSync(file, piece)
      digests.push(createHash('sha1').update(piece).digest())
    }
    closeSync(file)
    renameSync(`${path}.part`, path)
    return Buffer.concat(digests)
  })
}

/** A sparse file of zeros: takes no room on disk, and every piece has the same digest. */
export function sparseContent(length: number, pieceLength = 256 * 1024): Content {
  const name = `zeros-${String(length / GIB)}g-${String(pieceLength / 1024)}k.bin`
  return remember(name, length, pieceLength, () => {
    const file = openSync(join(CACHE, 'content', name), 'w')
    ftruncateSync(file, length)
    closeSync(file)
    const digest = createHash('sha1').update(Buffer.alloc(pieceLength)).digest()
    return Buffer.alloc((length / pieceLength) * 20, digest)
  })
}

/** Writes many small torrents whose content nobody has. */
export function writeManyTorrents(folder: string, count: number): void {
  const pieces = Buffer.alloc(64 * 20)
  for (let i = 0; i < count; i++) {
    pieces.writeUInt32BE(i)
    const name = `torrent-${String(i).padStart(6, '0')}.bin`
    const { bytes } = metainfoOf({ name, length: 64 * MIB, pieceLength: MIB, pieces })
    writeFileSync(join(folder, `${name}.torrent`), bytes)
  }
}

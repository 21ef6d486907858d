/**
 * Test content: bytes that a seed determines and that can be made at any offset, and folders of files laid out to
 * be awkward (empty and tiny files, unicode names, files that share pieces).
 */

import { createCipheriv, createHash } from 'node:crypto'
import { closeSync, createReadStream, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

const zeros = Buffer.alloc(1 << 20)

/** Bytes `[offset, offset + length)` of the endless stream that `seed` names. AES-CTR: fast, and no piece repeats. */
export function contentBytes(seed: string, offset: number, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  const counter = Buffer.alloc(16)
  counter.writeBigUInt64BE(BigInt(Math.floor(offset / 16)), 8)
  const cipher = createCipheriv('aes-128-ctr', key, counter)
  const skip = offset % 16
  const parts: Buffer[] = []
  for (let left = skip + length; left > 0; left -= zeros.length) {
    parts.push(cipher.update(left >= zeros.length ? zeros : zeros.subarray(0, left)))
  }
  return Buffer.concat(parts).subarray(skip, skip + length)
}

/** One file of a layout. */
export interface ContentFile {
  /** Components below the content's root folder; for content that is one file: none. */
  readonly path: readonly string[]
  readonly length: number
}

/** A folder, or one file, of determined content. */
export interface Layout {
  readonly name: string
  readonly files: readonly ContentFile[]
}

const KiB = 1024

/** One file. */
export function singleFile(name: string, length: number): Layout {
  return { name, files: [{ path: [], length }] }
}

/** About `megabytes` in a folder that holds every awkward thing a torrent may hold. */
export function awkwardFolder(name: string, megabytes: number): Layout {
  const large = Math.max(256 * KiB, Math.floor((megabytes * 1024 * KiB) / 3))
  return {
    name,
    files: [
      { path: ['0 first empty'], length: 0 },
      { path: ['a', 'one byte'], length: 1 },
      { path: ['a', 'two', 'deep.bin'], length: large + 1 },
      { path: ['b', 'block less one'], length: 16 * KiB - 1 },
      { path: ['b', 'block'], length: 16 * KiB },
      { path: ['b', 'block and one'], length: 16 * KiB + 1 },
      { path: ['empty', 'also empty'], length: 0 },
      ...Array.from({ length: 20 }, (_, i) => ({
        path: ['tiny', `${String(i).padStart(2, '0')}.txt`],
        length: 7 * i + 1,
      })),
      { path: ['ünïcödé', '日本語 ファイル 🎬.mkv'], length: large - 77 },
      { path: ['ünïcödé', 'Ελληνικά.txt'], length: 333 },
      { path: ["with 'quotes' $(and) `ticks`.bin"], length: large + 12_345 },
      { path: ['z last empty'], length: 0 },
    ],
  }
}

/** The bytes of the whole layout. */
export function layoutLength(layout: Layout): number {
  return layout.files.reduce((sum, file) => sum + file.length, 0)
}

/**
 * Writes the layout below `folder` (which becomes `<folder>/<name>...`).
 * @returns the path of its root: a file or a folder.
 */
export function writeLayout(folder: string, layout: Layout, seed = layout.name): string {
  const root = join(folder, layout.name)
  for (const file of layout.files) {
    const path = join(root, ...file.path)
    mkdirSync(dirname(path), { recursive: true })
    const handle = openSync(path, 'w')
    const stream = `${seed}/${file.path.join('/')}`
    const step = 8 << 20
    for (let at = 0; at < file.length; at += step) {
      writeSync(handle, contentBytes(stream, at, Math.min(step, file.length - at)))
    }
    closeSync(handle)
  }
  return root
}

/** SHA-256 of a file in hex, the same as `sha256sum` prints. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** Where one file of a torrent lies in it. */
export interface PlacedFile {
  readonly path: readonly string[]
  readonly offset: number
  readonly length: number
  readonly pad: boolean
}

/** A torrent made for a test, and what a peer written in the test must know of it. */
export interface TestTorrent {
  readonly name: string
  readonly infohash: string
  /** The `.torrent` file. */
  readonly file: string
  /** The folder that holds `<name>`. */
  readonly source: string
  readonly length: number
  readonly pieceLength: number
  readonly pieceCount: number
  readonly files: readonly PlacedFile[]
}

/** Reads a torrent's bytes by offset from its source files. */
export class TorrentContent {
  readonly torrent: TestTorrent
  readonly #handles = new Map<string, number>()

  constructor(torrent: TestTorrent) {
    this.torrent = torrent
  }

  /** The bytes `[offset, offset + length)` of the torrent; pads are zeros. */
  read(offset: number, length: number): Buffer {
    const out = Buffer.alloc(length)
    for (const file of this.torrent.files) {
      const from = Math.max(offset, file.offset)
      const to = Math.min(offset + length, file.offset + file.length)
      if (from >= to || file.pad) continue
      readSync(this.#handle(file), out, from - offset, to - from, from - file.offset)
    }
    return out
  }

  close(): void {
    for (const handle of this.#handles.values()) closeSync(handle)
    this.#handles.clear()
  }

  #handle(file: PlacedFile): number {
    const path = join(this.torrent.source, ...file.path)
    let handle = this.#handles.get(path)
    if (handle === undefined) {
      handle = openSync(path, 'r')
      this.#handles.set(path, handle)
    }
    return handle
  }
}

/** Torrents with known content, for tests of storages. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Geometry } from '../../../src/torrent/pieces/geometry.js'
import type { StorageTorrent } from '../../../src/torrent/storage/storage.js'

export interface FixtureFile {
  path: string[]
  length: number
  pad?: boolean
}

export interface Fixture {
  readonly torrent: StorageTorrent
  /** All bytes of the torrent; zeros in pad files. */
  readonly content: Uint8Array
  piece(index: number): Uint8Array
}

/** Bytes that look random and depend on the seed alone. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + 1) >>> 0
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

export function makeFixture(o: { files: FixtureFile[]; pieceLength?: number; seed?: number }): Fixture {
  const pieceLength = o.pieceLength ?? 16384
  let offset = 0
  const files = o.files.map(({ path, length, pad }) => {
    const file = { path, offset, length, pad: pad === true }
    offset += length
    return file
  })
  const geometry = new Geometry({ length: offset, pieceLength, files })
  const content = noise(offset, o.seed ?? 1)
  for (const file of files) if (file.pad) content.fill(0, file.offset, file.offset + file.length)
  const pieceHashes = new Uint8Array(geometry.pieceCount * 20)
  const piece = (index: number): Uint8Array => {
    const begin = geometry.pieceOffset(index)
    return content.subarray(begin, begin + geometry.pieceSize(index))
  }
  for (let index = 0; index < geometry.pieceCount; index++) {
    pieceHashes.set(createHash('sha1').update(piece(index)).digest(), index * 20)
  }
  const identity = JSON.stringify([o.files, pieceLength, o.seed ?? 1])
  const infohash = createHash('sha1').update(identity).digest('hex')
  return { torrent: { infohash, geometry, pieceHashes, files }, content, piece }
}

/** Five files over ten pieces of 16 KiB: one large, one tiny, one empty, one in a folder, one small at the end. */
export function mixedFixture(name = 'mixed', seed = 1): Fixture {
  return makeFixture({
    seed,
    files: [
      { path: [name, 'large.bin'], length: 100_000 },
      { path: [name, 'tiny'], length: 3 },
      { path: [name, 'empty'], length: 0 },
      { path: [name, 'folder', 'inner.bin'], length: 40_000 },
      { path: [name, 'ünïcode ☃'], length: 12_345 },
    ],
  })
}

export function singleFixture(name = 'single.bin', length = 160_000, seed = 1): Fixture {
  return makeFixture({ files: [{ path: [name], length }], seed })
}

/** Two files with a pad file (BEP 47) between them, which ends where the third piece begins. */
export function paddedFixture(): Fixture {
  return makeFixture({
    files: [
      { path: ['padded', 'a'], length: 20_000 },
      { path: ['padded', '.pad', '0'], length: 12_768, pad: true },
      { path: ['padded', 'b'], length: 5000 },
    ],
  })
}

const endings = new WeakMap<TestContext, (() => unknown)[]>()

/** Runs `end` when the test ends, the last one given first (`t.after` runs the first one first). */
export function atEnd(t: TestContext, end: () => unknown): void {
  let list = endings.get(t)
  if (list === undefined) {
    const own: (() => unknown)[] = []
    list = own
    endings.set(t, list)
    t.after(async () => {
      for (let next = own.pop(); next !== undefined; next = own.pop()) await next()
    })
  }
  list.push(end)
}

/** A folder that is gone when the test ends. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'torrentfs-test-'))
  atEnd(t, () => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A file system of `size` bytes of its own, or undefined after skipping the test. */
export async function smallDisk(t: TestContext, size: string): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'torrentfs-test-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'torrentfs-test', folder], { stdio: 'pipe' })
  } catch (thrown) {
    await rmdir(folder)
    t.skip(`SKIP: cannot mount a tmpfs (root is needed): ${String(thrown)}`)
    return undefined
  }
  atEnd(t, async () => {
    execFileSync('umount', ['-l', folder])
    await rmdir(folder)
  })
  return folder
}

/** The set bits of a bitfield. */
export function bitsOf(bitfield: { next(from: number): number }): number[] {
  const bits: number[] = []
  for (let bit = bitfield.next(0); bit !== -1; bit = bitfield.next(bit + 1)) bits.push(bit)
  return bits
}

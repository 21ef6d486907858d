/**
 * Reads a blocklist file into ranges, a slice at a time.
 *
 * Owns the file while it is read, and what it may cost: lines, bytes and time without a turn for others are limited. A
 * list may be packed with gzip, whatever it is called. Lines that make no sense are counted, not fatal: real lists have some.
 */
import { open } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'

import { causedBy, TorrentError } from '../errors.js'
import { MAX_LINE_LENGTH, readBlocklistLine } from './blocklist-line.js'
import type { RangeCollector } from './ip-ranges.js'

/** More than any list in circulation, unpacked. */
const MAX_BYTES = 512 * 1024 * 1024
/** What is parsed in one go, bytes: about 1 ms. */
const SLICE_BYTES = 32 * 1024

export interface BlocklistReading {
  /** Ranges read. */
  readonly ranges: number
  /** Lines that made no sense. */
  readonly broken: number
  /** The first of them, as `file:line: text`. */
  readonly firstBroken: string | undefined
}

/**
 * Adds what a file blocks to `ranges`.
 *
 * @param name - How the list is called in messages.
 * @throws ERR_TORRENTFS_BLOCKLIST naming the file, and the line if there is one: it cannot be read, or is no blocklist
 */
export async function readBlocklist(
  path: string,
  name: string,
  ranges: RangeCollector,
): Promise<BlocklistReading> {
  const reading = { ranges: 0, broken: 0, firstBroken: undefined as string | undefined }
  let number = 0
  const take = (line: string): void => {
    number++
    const outcome = readBlocklistLine(line, ranges)
    if (outcome === 'range') reading.ranges++
    if (outcome !== 'broken') return
    reading.broken++
    reading.firstBroken ??= `${name}:${number}: ${JSON.stringify(line.slice(0, 80))}`
    // A web page, a picture: nothing would be blocked, and nobody would know.
    if (reading.broken >= 100 && reading.ranges === 0) throw noList(reading.firstBroken)
  }
  try {
    await eachLine(path, name, take)
  } catch (error) {
    if (error instanceof TorrentError) throw error
    throw causedBy(error, 'ERR_TORRENTFS_BLOCKLIST', `${name}${number > 0 ? `:${number + 1}` : ''}`)
  }
  if (reading.ranges === 0 && reading.firstBroken !== undefined) throw noList(reading.firstBroken)
  return reading
}

function noList(line: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_BLOCKLIST', `${line}: no line of a blocklist`)
}

async function eachLine(path: string, name: string, take: (line: string) => void): Promise<void> {
  let rest = ''
  let bytes = 0
  for await (const slice of unpacked(path)) {
    bytes += slice.length
    if (bytes > MAX_BYTES)
      throw new TorrentError('ERR_TORRENTFS_BLOCKLIST', `${name}: more than ${MAX_BYTES} bytes`)
    // Names are in any encoding; addresses are the same in all of them.
    const lines = (rest + slice.toString('latin1')).split('\n')
    rest = lines.pop()!
    for (const line of lines) take(line)
    if (rest.length > MAX_LINE_LENGTH) rest = rest.slice(0, MAX_LINE_LENGTH + 1)
    await turn()
  }
  if (rest !== '') take(rest)
}

/** The file's bytes, unpacked when they are packed. */
async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const handle = await open(path)
  try {
    const magic = Buffer.alloc(2)
    await handle.read(magic, 0, 2, 0)
    const file = handle.createReadStream({ start: 0, highWaterMark: SLICE_BYTES, autoClose: false })
    if (magic[0] !== 0x1f || magic[1] !== 0x8b) {
      yield* file as AsyncIterable<Buffer>
      return
    }
    const gunzip = createGunzip({ chunkSize: SLICE_BYTES })
    file.on('error', error => gunzip.destroy(error))
    yield* file.pipe(gunzip) as AsyncIterable<Buffer>
  } finally {
    await handle.close()
  }
}

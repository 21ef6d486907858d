/**
 * Data on disk held against the hashes of a torrent.
 *
 * Owns what is said of each file. Must not change anything.
 */

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkPieces, parseMetainfo, type Info, type InfoFile } from '../../torrent/entries/metainfo.js'
import { ByteProgress } from './byte-progress.js'
import { printable, type Context } from './context.js'
import { inputLabel, readInput } from './input.js'
import { formatBytes, formatCount } from './quantities.js'

/** What to check. */
export interface DataCheckOptions {
  readonly torrent: string
  readonly data: string
  readonly quiet: boolean
  readonly workers: number | undefined
}

/**
 * What is said of a file. `damaged`: all of it is there, but not all of it is right. `uncertain`: it shares pieces with
 * files that are not whole, so that its hashes tell nothing of it; the rest of it is good.
 */
export type FileState = 'good' | 'damaged' | 'uncertain' | 'incomplete' | 'missing' | 'too long'

interface FileResult {
  readonly path: string
  readonly state: FileState
  readonly length: number
  /** Bytes in pieces that are good. */
  readonly goodBytes: number
}

/** Checks and tells. @returns the exit status: 0 when all is good */
export async function checkData(context: Context, o: DataCheckOptions): Promise<number> {
  const bytes = await readInput(context, o.torrent)
  let info: Info
  try {
    info = parseMetainfo(bytes).info
  } catch (error) {
    throw new Error(`${inputLabel(o.torrent)}: ${(error as Error).message}`, { cause: error })
  }
  // The name is one safe component, and so is each of a file's path.
  const root = info.multiFile ? join(o.data, info.name) : o.data
  const progress = await ByteProgress.begin(context, 'checking')
  let good: readonly boolean[]
  try {
    good = await checkPieces(info, root, {
      signal: context.signal,
      onProgress: (done, total) => progress.update(done, total),
      ...(o.workers !== undefined && { workers: o.workers }),
    })
  } finally {
    progress.end()
  }
  return tell(context, info, await resultsOf(info, root, good), good, o)
}

/** Bytes of each file that there are, by its index; undefined when there is no such file. */
async function sizesOf(info: Info, root: string): Promise<(number | undefined)[]> {
  const sizes: (number | undefined)[] = []
  for (const { path, pad, length } of info.files) {
    const stats = pad ? undefined : await stat(join(root, ...path)).catch(() => undefined)
    sizes.push(pad ? length : stats?.isFile() === true ? stats.size : undefined)
  }
  return sizes
}

/** The pieces that hold bytes `[begin, end)`. */
function* piecesOf({ pieceLength }: Info, begin: number, end: number): Generator<number> {
  if (end <= begin) return
  for (let piece = Math.floor(begin / pieceLength); piece * pieceLength < end; piece++) yield piece
}

async function resultsOf(info: Info, root: string, good: readonly boolean[]): Promise<FileResult[]> {
  const sizes = await sizesOf(info, root)
  /** Pieces that cannot be good because a file ends too early, or is not there. */
  const absent = new Set<number>()
  for (const { index, offset, length } of info.files)
    for (const piece of piecesOf(info, offset + (sizes[index] ?? 0), offset + length)) absent.add(piece)
  return info.files
    .filter(file => !file.pad)
    .map(file => {
      const size = sizes[file.index]
      const end = file.offset + file.length
      let goodBytes = 0
      let isDamaged = false
      for (const piece of piecesOf(info, file.offset, end)) {
        const begin = piece * info.pieceLength
        if (good[piece] === true)
          goodBytes += Math.min(end, begin + info.pieceLength) - Math.max(file.offset, begin)
        else isDamaged ||= !absent.has(piece)
      }
      const path = (info.multiFile ? [info.name, ...file.path] : file.path).join('/')
      return { path, state: stateOf(file, size, goodBytes, isDamaged), length: file.length, goodBytes }
    })
}

function stateOf(file: InfoFile, size: number | undefined, goodBytes: number, isDamaged: boolean): FileState {
  if (size === undefined) return 'missing'
  if (size < file.length) return 'incomplete'
  if (goodBytes < file.length) return isDamaged ? 'damaged' : 'uncertain'
  return size > file.length ? 'too long' : 'good'
}

function tell(
  context: Context,
  info: Info,
  files: readonly FileResult[],
  good: readonly boolean[],
  { quiet }: DataCheckOptions,
): number {
  const goodPieces = good.filter(Boolean).length
  const isGood = files.every(file => file.state === 'good') && goodPieces === good.length
  if (context.json) {
    context.printJson({ good: isGood, infohash: info.infohash, pieces: good.length, goodPieces, files })
    return isGood ? 0 : 1
  }
  const { green, red, yellow } = context.colours
  for (const { path, state, length, goodBytes } of files) {
    if (quiet && state === 'good') continue
    const isDoubt = state === 'too long' || state === 'uncertain'
    const paint = state === 'good' ? green : isDoubt ? yellow : red
    const share =
      state === 'good' || length === 0 ? '' : ` (${formatBytes(goodBytes)} of ${formatBytes(length)} good)`
    context.print(`${paint(state.padEnd(10))} ${printable(path)}${share}`)
  }
  const bad = files.filter(file => file.state !== 'good').length
  if (!quiet || !isGood)
    context.print(
      isGood
        ? `all good: ${formatCount(files.length, 'file')}, ${formatBytes(info.length)}`
        : `${formatCount(bad, 'file')} of ${files.length} not good, ${goodPieces} of ${formatCount(good.length, 'piece')} good`,
    )
  return isGood ? 0 : 1
}

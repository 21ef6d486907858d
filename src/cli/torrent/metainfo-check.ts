/**
 * What is wrong with a torrent file, or what other programs may not like of it.
 *
 * Owns the judgement for people. What is of no use at all is the library's to say.
 */

import { MAX_PIECE_LENGTH, parseMetainfo } from '../../torrent/entries/metainfo.js'
import { BencodeNode } from '../../torrent/entries/bencode.js'
import type { Context } from './context.js'
import { inputLabel } from './input.js'
import { formatBytes, formatCount } from './quantities.js'

/** Longer pieces than this are refused here and there. */
const USUAL_PIECE = 16 * 1024 * 1024

/** Checks and tells. @returns the exit status */
export function checkMetainfo(context: Context, source: string, bytes: Uint8Array): number {
  const label = inputLabel(source)
  let found
  try {
    found = judged(bytes)
  } catch (error) {
    const { message } = error as Error
    if (!context.json) throw new Error(`${label}: ${message}`, { cause: error })
    context.printJson({ valid: false, error: message })
    return 1
  }
  const { notes, length, pieces } = found
  if (context.json) context.printJson({ valid: true, notes })
  else {
    for (const note of notes) context.print(`${context.colours.yellow('note')}: ${note}`)
    context.print(
      `${label}: ${context.colours.green('valid')}, ${formatBytes(length)} in ${formatCount(pieces, 'piece')}`,
    )
  }
  return 0
}

function judged(bytes: Uint8Array): { notes: string[]; length: number; pieces: number } {
  const { info, trackers, nodes, webSeeds, httpSeeds } = parseMetainfo(bytes)
  const { report } = BencodeNode.scan(bytes, { prefix: true })
  const notes: string[] = []
  const note = (applies: boolean, text: string): void => {
    if (applies) notes.push(text)
  }
  note(report.end < bytes.length, `${bytes.length - report.end} bytes of white space stand behind the end`)
  note(report.duplicates, 'a key comes twice in a dictionary: programs differ in which one they take')
  note(!report.sorted && !report.duplicates, 'keys are not sorted: some programs refuse that')
  note(!Number.isInteger(Math.log2(info.pieceLength)), 'the piece length is no power of two')
  note(info.pieceLength < 16384, 'the piece length is less than 16 KiB')
  note(
    info.pieceLength > USUAL_PIECE && info.pieceLength <= MAX_PIECE_LENGTH,
    'the pieces are longer than 16 MiB',
  )
  note(info.length === 0, 'it has not one byte of content: most programs refuse that')
  note(info.private && trackers.length === 0, 'it is private but has no tracker: nobody can find peers')
  const sources = trackers.length + nodes.length + webSeeds.length + httpSeeds.length
  note(!info.private && sources === 0, 'it names no tracker, node or web seed: peers come from the DHT alone')
  return { notes, length: info.length, pieces: info.geometry.pieceCount }
}

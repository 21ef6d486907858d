/**
 * Rebuilds a torrent's state from what its resume files say and what its files look like now.
 *
 * Owns the rules of trust at a start. Must not write. Whatever the files hold, it ends with a state: never throws.
 */
import type { Geometry } from '../../pieces/geometry.js'
import { Bitfield } from '../../pieces/bitfield.js'
import { sameStamp } from './resume-record.js'
import type { Stamp } from './resume-record.js'
import { decodeCheckpoint, decodeJournal } from './resume-file.js'
import { ResumeState } from './resume-state.js'
import type { ResumeFiles } from './state-folder.js'

/** A state and where its files stand. */
export interface Loaded {
  readonly state: ResumeState
  /** The highest generation of any file found; 0 when none. */
  readonly generation: number
  /** Whether a checkpoint or a journal was sound. */
  readonly found: boolean
  /** Whether journals lie there, to be folded into a checkpoint before a new one begins. */
  readonly journals: boolean
  /** What was wrong with the resume files, for the operator. */
  readonly damage: readonly string[]
}

/**
 * Replays a torrent's resume files. Pieces that were stored but not synced while another kernel ran become suspect: a crash of the
 * machine may have lost them while the file's stamp survived.
 *
 * @param bootId the running kernel's id; '' when unknown, and then nothing unsynced is trusted
 */
export function replay(infohash: string, geometry: Geometry, files: ResumeFiles, bootId: string): Loaded {
  const subject = { infohash, pieces: geometry.pieceCount, files: geometry.files.length }
  const damage: string[] = []
  let generation = 0
  const checkpoint = files.checkpoint === undefined ? undefined : decodeCheckpoint(files.checkpoint, subject)
  if (files.checkpoint !== undefined && checkpoint === undefined) damage.push('the checkpoint is damaged')
  const state = new ResumeState(geometry, checkpoint?.snapshot)
  let found = checkpoint !== undefined
  if (checkpoint !== undefined) {
    generation = checkpoint.header.generation
    if (!sameBoot(checkpoint.header.bootId, bootId)) state.doubt(state.unsynced)
  }
  const first = generation
  for (const [index, file] of files.journals.entries()) {
    generation = Math.max(generation, file.generation)
    if (file.generation < first) continue
    const journal = decodeJournal(file.bytes, subject)
    if (journal === undefined) {
      damage.push(`journal ${file.generation} is damaged`)
      continue
    }
    found = true
    const last = index === files.journals.length - 1
    if (journal.end === 'damaged' || (journal.end === 'cut' && !last)) {
      damage.push(`journal ${file.generation} ends in damaged records`)
    }
    const written = new Bitfield(geometry.pieceCount)
    for (const record of journal.records) {
      state.apply(record)
      if (record.kind === 'stored') written.set(record.piece)
    }
    if (!sameBoot(journal.header.bootId, bootId)) state.doubt(written)
  }
  // What could hide behind the damage is a record that a piece is missing: everything is hashed again rather than trusted.
  if (damage.length > 0) state.doubt(state.stored.clone())
  return { state, generation, found, journals: files.journals.length > 0, damage }
}

/** Makes the stored pieces of files whose stamp is not the recorded one suspect; returns how many files that were. */
export function reconcile(state: ResumeState, files: readonly number[], stamps: readonly Stamp[]): number {
  let changed = 0
  for (const [index, file] of files.entries()) {
    const known = state.stamp(file)
    if (known !== undefined && sameStamp(known, stamps[index]!)) continue
    state.doubtFile(file)
    changed++
  }
  return changed
}

function sameBoot(recorded: string, running: string): boolean {
  return recorded !== '' && recorded === running
}

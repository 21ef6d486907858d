import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Geometry } from '../../../../src/torrent/pieces/geometry.js'
import { ABSENT } from '../../../../src/torrent/storage/file/resume-record.js'
import type { ResumeRecord, Stamp, TouchedFile } from '../../../../src/torrent/storage/file/resume-record.js'
import { ResumeState } from '../../../../src/torrent/storage/file/resume-state.js'
import { replay, reconcile } from '../../../../src/torrent/storage/file/resume-load.js'
import { encodeCheckpoint, encodeJournalHeader } from '../../../../src/torrent/storage/file/resume-file.js'
import { encodeRecord } from '../../../../src/torrent/storage/file/resume-record.js'
import { bitsOf } from '../fixture.js'

/** Four files of 25 bytes in pieces of 10: pieces 2 and 7 span two files. */
const LENGTHS = [25, 25, 25, 25]
const geometry = new Geometry({
  length: 100,
  pieceLength: 10,
  files: LENGTHS.map((length, file) => ({ offset: file * 25, length, pad: false })),
})
const filesOf = (piece: number): number[] => [
  ...new Set(geometry.segments(piece * 10, piece * 10 + 10).map(segment => segment.file)),
]

type Step =
  | { what: 'store'; piece: number }
  | { what: 'lose'; piece: number }
  | { what: 'tamper'; file: number }
  | { what: 'write and die'; piece: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant('store' as const), piece: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('lose' as const), piece: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('tamper' as const), file: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('write and die' as const), piece: fc.nat(9) }) },
)

describe('the resume state', () => {
  it('never trusts a piece whose bytes are wrong, replayed from any journal, checkpoint or both', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(40), (steps, checkpointAt) => {
        // The disk: which pieces have right bytes, and each file's stamp. Every change moves the clock.
        let clock = 0n
        const right = new Set<number>()
        const disk: Stamp[] = LENGTHS.map(() => ABSENT)
        const touch = (piece: number): TouchedFile[] =>
          filesOf(piece).map(file => {
            const before = disk[file]!
            disk[file] = { size: 25, mtimeNs: ++clock }
            return { file, before, after: disk[file] }
          })
        const header = { generation: 1, bootId: 'boot' }
        const live = new ResumeState(geometry)
        let checkpoint: Uint8Array | undefined
        let journal = [encodeJournalHeader('0'.repeat(40), header)]
        const note = (record: ResumeRecord): void => {
          live.apply(record)
          journal.push(encodeRecord(record))
        }
        for (const [index, { what, ...where }] of steps.entries()) {
          if (index === checkpointAt) {
            checkpoint = encodeCheckpoint('0'.repeat(40), header, live.snapshot())
            journal = journal.slice(0, 1)
          }
          if ('file' in where) {
            disk[where.file] = { size: 25, mtimeNs: ++clock }
            for (const piece of [...right]) if (filesOf(piece).includes(where.file)) right.delete(piece)
          } else if (what === 'store') {
            right.add(where.piece)
            note({ kind: 'stored', piece: where.piece, files: touch(where.piece) })
          } else if (what === 'lose') {
            // Found wrong without any change to the file: rotten.
            right.delete(where.piece)
            note({ kind: 'missing', piece: where.piece, files: [] })
          } else {
            touch(where.piece)
            if (!live.stored.get(where.piece)) right.delete(where.piece)
          }
        }
        const loaded = replay(
          '0'.repeat(40),
          geometry,
          { checkpoint, journals: [{ generation: 1, bytes: Buffer.concat(journal) }] },
          'boot',
        )
        const { state } = loaded
        assert.deepEqual(bitsOf(state.stored), bitsOf(live.stored))
        assert.deepEqual(loaded.damage, [])
        const inUse = state.filesInUse()
        reconcile(
          state,
          inUse,
          inUse.map(file => disk[file]!),
        )
        for (const piece of bitsOf(state.stored)) assert.ok(right.has(piece), `piece ${piece} is trusted`)
        for (const piece of bitsOf(state.suspect)) assert.equal(state.stored.get(piece), false)
      }),
      { numRuns: 500 },
    )
  })

  it('does not suspect anything when nobody else touched the files', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 30 }), stores => {
        let clock = 0n
        const disk: Stamp[] = LENGTHS.map(() => ABSENT)
        const state = new ResumeState(geometry)
        for (const piece of stores) {
          const files = filesOf(piece).map(file => {
            const before = disk[file]!
            disk[file] = { size: 25, mtimeNs: ++clock }
            return { file, before, after: disk[file] }
          })
          assert.deepEqual(state.apply({ kind: 'stored', piece, files }).doubted, [])
        }
        assert.deepEqual(bitsOf(state.stored), [...new Set(stores)].sort())
        assert.equal(state.suspect.count, 0)
      }),
    )
  })

  it('tells which files are not the ones it knew', () => {
    const state = new ResumeState(geometry)
    const one = { size: 25, mtimeNs: 1n }
    const two = { size: 25, mtimeNs: 2n }
    const files = [{ file: 0, before: ABSENT, after: one }]
    assert.deepEqual(state.apply({ kind: 'stored', piece: 0, files }), { doubted: [], strangers: [0] })
    const next = { kind: 'stored', piece: 1, files: [{ file: 0, before: one, after: two }] } as const
    assert.deepEqual(state.apply(next), { doubted: [], strangers: [] })
    assert.deepEqual(state.apply(next), { doubted: [0], strangers: [0] })
  })

  it('gives back unsynced pieces when syncing failed, but not those that were lost meanwhile', () => {
    const state = new ResumeState(geometry)
    for (const piece of [0, 1, 2]) state.apply({ kind: 'stored', piece, files: [] })
    const taken = state.takeUnsynced()!
    assert.equal(state.unsynced.count, 0)
    state.apply({ kind: 'missing', piece: 1, files: [] })
    state.unsync(taken)
    assert.deepEqual(bitsOf(state.unsynced), [0, 2])
  })
})

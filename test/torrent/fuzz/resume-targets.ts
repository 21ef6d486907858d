/** The readers of resume state, for the fuzz: a disk can tell as much nonsense as a stranger. */
import assert from 'node:assert/strict'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import {
  decodeCheckpoint,
  decodeJournal,
  encodeCheckpoint,
  encodeJournalHeader,
} from '../../../src/torrent/storage/file/resume-file.js'
import { encodeRecord } from '../../../src/torrent/storage/file/resume-record.js'
import type { Target } from '../../support/fuzz.js'

const SUBJECT = { infohash: '0123456789abcdef0123456789abcdef01234567', pieces: 40, files: 3 }
const HEADER = { generation: 7, bootId: '8c1d6e2a-0000-4000-8000-000000000000' }
const STAMP = { size: 1000, mtimeNs: 123_456_789n }

function journal(): Buffer {
  const records = Array.from({ length: 4 }, (_, piece) =>
    encodeRecord({ kind: 'stored', piece, files: [{ file: piece % 3, before: STAMP, after: STAMP }] }),
  )
  return Buffer.concat([encodeJournalHeader(SUBJECT.infohash, HEADER), ...records])
}

function checkpoint(): Uint8Array {
  const stored = new Bitfield(SUBJECT.pieces)
  stored.set(3)
  const suspect = new Bitfield(SUBJECT.pieces)
  suspect.set(5)
  return encodeCheckpoint(SUBJECT.infohash, HEADER, {
    stored,
    suspect,
    unsynced: undefined,
    stamps: new Map([[1, STAMP]]),
  })
}

export const RESUME_TARGETS: readonly Target[] = [
  {
    name: 'resume journal',
    grammar: 'binary',
    samples: [journal()],
    take(input) {
      const found = decodeJournal(input, SUBJECT)
      for (const { kind, piece, files } of found?.records ?? []) {
        assert.ok(piece < SUBJECT.pieces && (piece >= 0 || kind === 'touched'))
        for (const { file } of files) assert.ok(file < SUBJECT.files)
      }
      return found !== undefined
    },
  },
  {
    name: 'resume checkpoint',
    grammar: 'binary',
    samples: [checkpoint()],
    take(input) {
      const found = decodeCheckpoint(input, SUBJECT)
      if (found === undefined) return false
      assert.equal(found.snapshot.stored.length, SUBJECT.pieces)
      for (const file of found.snapshot.stamps.keys()) assert.ok(file < SUBJECT.files)
      return true
    },
  },
]

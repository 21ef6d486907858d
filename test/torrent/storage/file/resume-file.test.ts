import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitfield } from '../../../../src/torrent/pieces/bitfield.js'
import {
  decodeCheckpoint,
  decodeJournal,
  encodeCheckpoint,
  encodeJournalHeader,
} from '../../../../src/torrent/storage/file/resume-file.js'
import { decodeRecord, encodeRecord } from '../../../../src/torrent/storage/file/resume-record.js'
import type { ResumeRecord, Stamp } from '../../../../src/torrent/storage/file/resume-record.js'
import { bitsOf } from '../fixture.js'

const SUBJECT = { infohash: '0123456789abcdef0123456789abcdef01234567', pieces: 50, files: 9 }
const HEADER = { generation: 7, bootId: 'c0ffee00-0000-4000-8000-000000000000' }

const plain = { noNullPrototype: true } as const
const stamp: fc.Arbitrary<Stamp> = fc.record(
  {
    size: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
    mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  },
  plain,
)
const touched = fc.record({ file: fc.nat(SUBJECT.files - 1), before: stamp, after: stamp }, plain)
const record: fc.Arbitrary<ResumeRecord> = fc.oneof(
  fc.record(
    {
      kind: fc.constantFrom('stored' as const, 'missing' as const),
      piece: fc.nat(SUBJECT.pieces - 1),
      files: fc.array(touched, { maxLength: SUBJECT.files }),
    },
    plain,
  ),
  fc.record(
    {
      kind: fc.constant('touched' as const),
      piece: fc.constant(-1),
      files: fc.array(touched, { maxLength: SUBJECT.files }),
    },
    plain,
  ),
)
const pieces = fc.uniqueArray(fc.nat(SUBJECT.pieces - 1))

function bitfieldOf(indices: readonly number[]): Bitfield {
  const bitfield = new Bitfield(SUBJECT.pieces)
  for (const index of indices) bitfield.set(index)
  return bitfield
}

function journalOf(records: readonly ResumeRecord[]): Uint8Array {
  return Buffer.concat([encodeJournalHeader(SUBJECT.infohash, HEADER), ...records.map(encodeRecord)])
}

describe('a resume record', () => {
  it('is decoded as it was encoded', () => {
    fc.assert(
      fc.property(record, value => {
        const bytes = encodeRecord(value)
        assert.deepEqual(decodeRecord(bytes, 0, SUBJECT), { record: value, end: bytes.length })
      }),
    )
  })

  it('is not decoded when it names a piece or file the torrent does not have', () => {
    const file = { file: 3, before: { size: 1, mtimeNs: 1n }, after: { size: 1, mtimeNs: 1n } }
    const bytes = encodeRecord({ kind: 'stored', piece: 5, files: [file] })
    assert.notEqual(decodeRecord(bytes, 0, { files: 4, pieces: 6 }), undefined)
    assert.equal(decodeRecord(bytes, 0, { files: 3, pieces: 6 }), undefined)
    assert.equal(decodeRecord(bytes, 0, { files: 4, pieces: 5 }), undefined)
  })

  it('is never decoded from other bytes, nor does that throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        assert.equal(decodeRecord(bytes, 0, SUBJECT), undefined)
      }),
    )
  })
})

describe('a journal', () => {
  it('gives back its records', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 10 }), records => {
        assert.deepEqual(decodeJournal(journalOf(records), SUBJECT), {
          header: HEADER,
          records,
          end: 'whole',
        })
      }),
    )
  })

  it('gives the whole records before any cut, and says that it was cut', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(), (records, at) => {
        const bytes = journalOf(records)
        const length = 80 + (at % (bytes.length - 80))
        let whole = 0
        for (let end = 80; whole < records.length; whole++) {
          end += encodeRecord(records[whole]!).length
          if (end > length) break
        }
        const decoded = decodeJournal(bytes.subarray(0, length), SUBJECT)!
        assert.deepEqual(decoded.records, records.slice(0, whole))
        assert.equal(decoded.end, length === journalOf(records.slice(0, whole)).length ? 'whole' : 'cut')
      }),
    )
  })

  it('never gives a record that was not written when a bit of it flips', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(), (records, at) => {
        const bytes = journalOf(records)
        const bit = at % (bytes.length * 8)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        const decoded = decodeJournal(bytes, SUBJECT)
        if (decoded === undefined) return
        assert.ok(decoded.records.length < records.length)
        assert.deepEqual(decoded.records, records.slice(0, decoded.records.length))
      }),
    )
  })

  it('of another torrent is not read', () => {
    assert.equal(decodeJournal(journalOf([]), { ...SUBJECT, infohash: 'f'.repeat(40) }), undefined)
  })
})

describe('a checkpoint', () => {
  const snapshot = fc.record(
    {
      stored: pieces,
      suspect: fc.option(pieces, { nil: undefined }),
      unsynced: fc.option(pieces, { nil: undefined }),
      stamps: fc.uniqueArray(fc.tuple(fc.nat(SUBJECT.files - 1), stamp), { selector: ([file]) => file }),
    },
    plain,
  )
  const encode = (value: typeof snapshot extends fc.Arbitrary<infer T> ? T : never): Uint8Array =>
    encodeCheckpoint(SUBJECT.infohash, HEADER, {
      stored: bitfieldOf(value.stored),
      suspect: value.suspect && bitfieldOf(value.suspect),
      unsynced: value.unsynced && bitfieldOf(value.unsynced),
      stamps: new Map(value.stamps),
    })

  it('is decoded as it was encoded', () => {
    fc.assert(
      fc.property(snapshot, value => {
        const decoded = decodeCheckpoint(encode(value), SUBJECT)!
        assert.deepEqual(decoded.header, HEADER)
        const sorted = (list: readonly number[] | undefined): number[] =>
          [...(list ?? [])].sort((a, b) => a - b)
        assert.deepEqual(bitsOf(decoded.snapshot.stored), sorted(value.stored))
        assert.deepEqual(bitsOf(decoded.snapshot.suspect ?? new Bitfield(0)), sorted(value.suspect))
        assert.deepEqual(bitsOf(decoded.snapshot.unsynced ?? new Bitfield(0)), sorted(value.unsynced))
        assert.deepEqual([...decoded.snapshot.stamps], value.stamps)
      }),
    )
  })

  it('is not decoded when it is cut or a bit of it flips', () => {
    fc.assert(
      fc.property(snapshot, fc.nat(), (value, at) => {
        const bytes = encode(value)
        assert.equal(decodeCheckpoint(bytes.subarray(0, at % bytes.length), SUBJECT), undefined)
        const bit = at % (bytes.length * 8)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        assert.equal(decodeCheckpoint(bytes, SUBJECT), undefined)
      }),
    )
  })

  it('of a torrent with other numbers of pieces or files is not read', () => {
    const bytes = encode({
      stored: [1],
      suspect: undefined,
      unsynced: undefined,
      stamps: [[8, { size: 1, mtimeNs: 1n }]],
    })
    assert.notEqual(decodeCheckpoint(bytes, SUBJECT), undefined)
    assert.equal(decodeCheckpoint(bytes, { ...SUBJECT, pieces: 49 }), undefined)
    assert.equal(decodeCheckpoint(bytes, { ...SUBJECT, files: 8 }), undefined)
  })
})

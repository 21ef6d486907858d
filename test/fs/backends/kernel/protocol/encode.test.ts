/**
 * Replies, byte by byte.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FOPEN } from '../../../../../src/fs/backends/kernel/protocol/constants.js'
import {
  direntLength,
  ENTRY_LENGTH,
  HEADER_LENGTH,
  write64,
  writeAttributes,
  writeAttributesReply,
  writeDirent,
  writeDirentPlus,
  writeEntryReply,
  writeHeader,
  writeInitReply,
  writeOpenReply,
  writeStatfsReply,
  writeStatxReply,
  type Dirent,
} from '../../../../../src/fs/backends/kernel/protocol/encode.js'
import { REPLY_SAMPLES } from './reply-samples.js'
import { assertWrites, type Writer } from './written-bytes.js'

const ATTRIBUTES = {
  ino: 0xfedcba987654,
  mode: 0o100444,
  nlink: 3,
  uid: 1001,
  gid: 4_000_000_000,
  size: 0x123456789abc,
  blocks: 0x91a2b3c4e,
  mtimeMs: 1_700_000_000_123.5,
}
const NODE = 0x123456789abc
const VALID_MS = 3_600_250.5
const DAY_AND_MS = 86_400_001
const HANDLE = 0x10203040506
const FAR = 2 ** 53 - 1
const CHEESE: Dirent = { ino: ATTRIBUTES.ino, offset: FAR, kind: 'file', name: Buffer.from('Käse.mkv') }

const writers: readonly [keyof typeof REPLY_SAMPLES, size: number, Writer][] = [
  ['header ENOENT', 16, (out, at) => writeHeader(out, at, 0x1122334455667, 2, HEADER_LENGTH)],
  ['header ok', 16, (out, at) => writeHeader(out, at, FAR, 0, HEADER_LENGTH + ENTRY_LENGTH)],
  ['attributes', 88, (out, at) => writeAttributes(out, at, ATTRIBUTES)],
  ['attributes before 1970', 88, (out, at) => writeAttributes(out, at, { ...ATTRIBUTES, mtimeMs: -1500 })],
  [
    'attributes almost a second',
    88,
    (out, at) => writeAttributes(out, at, { ...ATTRIBUTES, mtimeMs: 999.9999999 }),
  ],
  ['attr_out', 104, (out, at) => writeAttributesReply(out, at, ATTRIBUTES, VALID_MS)],
  ['statx_out', 288, (out, at) => writeStatxReply(out, at, ATTRIBUTES, VALID_MS)],
  [
    'entry_out',
    128,
    (out, at) => writeEntryReply(out, at, NODE, 0x7766554433, ATTRIBUTES, DAY_AND_MS, VALID_MS),
  ],
  ['open_out DIRECT_IO', 16, (out, at) => writeOpenReply(out, at, HANDLE, FOPEN.DIRECT_IO, 0)],
  ['open_out KEEP_CACHE', 16, (out, at) => writeOpenReply(out, at, HANDLE, FOPEN.KEEP_CACHE, 0)],
  ['open_out CACHE_DIR', 16, (out, at) => writeOpenReply(out, at, HANDLE, FOPEN.CACHE_DIR, 0)],
  ['open_out NOFLUSH', 16, (out, at) => writeOpenReply(out, at, HANDLE, FOPEN.NOFLUSH, 0)],
  ['open_out PASSTHROUGH', 16, (out, at) => writeOpenReply(out, at, HANDLE, FOPEN.PASSTHROUGH, 0x01020304)],
  [
    'statfs_out',
    80,
    (out, at) =>
      writeStatfsReply(out, at, { blockSize: 4096, blocks: 0x123456789a, files: 0x10000000f, nameMax: 255 }),
  ],
  [
    'init_out',
    64,
    (out, at) =>
      writeInitReply(out, at, {
        minor: 40,
        maxReadahead: 0x20000,
        // As the bit operators give them: negative with the highest bit.
        flags: 0xc0446001 | 0,
        flags2: 0x80000020 | 0,
        maxBackground: 65_535,
        congestionThreshold: 65_534,
        maxWrite: 4096,
        timeGranularityNs: 1,
        maxPages: 256,
        maxStackDepth: 1,
      }),
  ],
  ['dirent 0', 32, (out, at) => writeDirent(out, at, { ...CHEESE, name: Buffer.from('a') })],
  [
    'dirent 1',
    32,
    (out, at) => writeDirent(out, at, { ...CHEESE, kind: 'directory', name: Buffer.from('12345678') }),
  ],
  ['dirent 2', 40, (out, at) => writeDirent(out, at, CHEESE)],
  ['direntplus', 168, (out, at) => writeDirentPlus(out, at, NODE, ATTRIBUTES, DAY_AND_MS, VALID_MS, CHEESE)],
]

describe('a reply', () => {
  for (const [sample, size, writer] of writers) {
    it(`${sample} is ${size} bytes, each as the kernel has it, over whatever was there`, () => {
      assert.equal(REPLY_SAMPLES[sample].length, 2 * size)
      assertWrites(writer, REPLY_SAMPLES[sample])
    })
  }

  it('says times in whole seconds and fewer than 10^9 nanoseconds, to the precision of the number', () => {
    const out = Buffer.alloc(88)
    fc.assert(
      fc.property(fc.double({ min: -1e13, max: 1e13, noNaN: true }), mtimeMs => {
        writeAttributes(out, 0, { ...ATTRIBUTES, mtimeMs })
        const nanoseconds = out.readUInt32LE(52)
        assert.ok(nanoseconds < 1e9, `${nanoseconds}`)
        const told = Number(out.readBigInt64LE(32)) * 1000 + nanoseconds / 1e6
        assert.ok(Math.abs(told - mtimeMs) < 0.01, `${told}`)
      }),
    )
  })
})

describe('a 64-bit number', () => {
  it('is written exactly, below zero too', () => {
    const out = Buffer.alloc(8)
    for (const value of [0, 1, -1, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1, FAR, -FAR])
      assert.deepEqual([write64(out, 0, value), out.readBigInt64LE()], [8, BigInt(value)])
    fc.assert(
      fc.property(fc.maxSafeInteger(), value => {
        write64(out, 0, value)
        assert.equal(out.readBigInt64LE(), BigInt(value))
      }),
    )
  })
})

describe('a listing', () => {
  const anyName = fc.uint8Array({ minLength: 1, maxLength: 255 })
  const anyDirent: fc.Arbitrary<Dirent> = fc.record(
    { ino: fc.nat(FAR), offset: fc.nat(FAR), kind: fc.constantFrom('file', 'directory'), name: anyName },
    { noNullPrototype: true },
  )

  it('has entries of so many bytes as the kernel expects', () => {
    assert.deepEqual([1, 7, 8, 9, 16, 255].map(direntLength), [32, 32, 32, 40, 40, 280])
  })

  it('is read by the rule that each entry begins at a multiple of 8', () => {
    fc.assert(
      fc.property(fc.array(anyDirent, { maxLength: 20 }), fc.boolean(), (dirents, plus) => {
        const out = Buffer.alloc(20 * (ENTRY_LENGTH + 280), 0xaa)
        let end = 0
        for (const dirent of dirents) {
          const before = end
          end = plus
            ? writeDirentPlus(out, end, NODE, ATTRIBUTES, 1, 1, dirent)
            : writeDirent(out, end, dirent)
          assert.equal(end - before, (plus ? ENTRY_LENGTH : 0) + direntLength(dirent.name.length))
        }
        assert.deepEqual(listed(out.subarray(0, end), plus), dirents)
        assert.ok(out.subarray(end).every(byte => byte === 0xaa))
      }),
    )
  })
})

/** What the kernel makes of a listing. */
function listed(bytes: Buffer, plus: boolean): Dirent[] {
  const dirents: Dirent[] = []
  let at = 0
  while (at < bytes.length) {
    if (plus) {
      assert.equal(bytes.readBigUInt64LE(at), BigInt(NODE))
      at += 128
    }
    const nameBytes = bytes.readUInt32LE(at + 16)
    const nameEnd = at + 24 + nameBytes
    dirents.push({
      ino: Number(bytes.readBigUInt64LE(at)),
      offset: Number(bytes.readBigUInt64LE(at + 8)),
      kind: bytes.readUInt32LE(at + 20) === 4 ? 'directory' : 'file',
      name: Uint8Array.from(bytes.subarray(at + 24, nameEnd)),
    })
    at = Math.ceil(nameEnd / 8) * 8
    assert.ok(bytes.subarray(nameEnd, at).every(byte => byte === 0))
  }
  assert.equal(at, bytes.length)
  return dirents
}

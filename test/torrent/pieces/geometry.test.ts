import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BLOCK_LENGTH, Geometry, type GeometryFile } from '../../../src/torrent/pieces/geometry.js'

type Part = readonly [length: number, pad?: boolean]

function geometryOf(pieceLength: number, parts: readonly Part[]): Geometry {
  const files: GeometryFile[] = []
  let offset = 0
  for (const [length, pad = false] of parts) {
    files.push({ offset, length, pad })
    offset += length
  }
  return new Geometry({ length: offset, pieceLength, files })
}

const parts = fc.array(
  fc.tuple(
    fc.oneof({ arbitrary: fc.constant(0), weight: 1 }, { arbitrary: fc.nat(70_000), weight: 3 }),
    fc.boolean(),
  ),
  { minLength: 1, maxLength: 12 },
)
const geometries = fc
  .tuple(fc.constantFrom(1000, 16384, 20_000, 32768, 65536, 100_001), parts)
  .map(([pieceLength, list]) => geometryOf(pieceLength, list))

describe('Geometry', () => {
  it('counts pieces and blocks, the last of which may be shorter', () => {
    const table = [
      // length, piece length, pieces, size of the last, blocks of the last, size of the last block
      [0, 16384, 0, 0, 0, 0],
      [1, 16384, 1, 1, 1, 1],
      [16384, 16384, 1, 16384, 1, 16384],
      [16385, 16384, 2, 1, 1, 1],
      [100_000, 65536, 2, 34464, 3, 1696],
      [65536 * 3, 65536, 3, 65536, 4, 16384],
      [2 ** 45, 2 ** 24, 2 ** 21, 2 ** 24, 1024, 16384],
    ] as const
    for (const [length, pieceLength, pieces, size, blocks, blockSize] of table) {
      const geometry = geometryOf(pieceLength, [[length]])
      assert.equal(geometry.pieceCount, pieces)
      const last = pieces - 1
      assert.equal(geometry.pieceSize(last), size)
      assert.equal(geometry.blockCount(last), blocks)
      assert.equal(geometry.blockSize(last, blocks - 1), blockSize)
    }
  })

  it('has nothing at indices that do not exist', () => {
    const geometry = geometryOf(32768, [[40_000]])
    for (const piece of [-1, 2, Number.NaN, Infinity]) {
      assert.equal(geometry.pieceSize(piece), 0)
      assert.equal(geometry.blockCount(piece), 0)
      assert.equal(geometry.blockSize(piece, 0), 0)
      assert.equal(geometry.requestSize(piece, 0), 0)
      assert.equal(geometry.hasPad(piece), false)
    }
    assert.equal(geometry.blockSize(0, 2), 0)
    assert.equal(geometry.blockSize(0, -1), 0)
    assert.equal(geometry.fileAt(-1), -1)
    assert.equal(geometry.fileAt(40_000), -1)
    assert.deepEqual(geometry.segments(40_000, 50_000), [])
    assert.deepEqual(geometry.segments(10, 10), [])
  })

  it('refuses files that do not cover the torrent exactly', () => {
    const bad: [number, number, Part[], number?][] = [
      [10, 16384, [[9]]],
      [10, 16384, [[11]]],
      [10, 0, [[10]]],
      [-1, 16384, []],
      [1.5, 16384, [[1.5]]],
      [2 ** 53, 16384, [[2 ** 53]]],
    ]
    for (const [length, pieceLength, list] of bad) {
      const files = list.map(([size]) => ({ offset: 0, length: size, pad: false }))
      assert.throws(() => new Geometry({ length, pieceLength, files }), { code: 'ERR_TORRENTFS_ARGUMENT' })
    }
    const gap = [
      { offset: 0, length: 5, pad: false },
      { offset: 6, length: 4, pad: false },
    ]
    assert.throws(() => new Geometry({ length: 10, pieceLength: 4, files: gap }), {
      code: 'ERR_TORRENTFS_ARGUMENT',
    })
  })

  it('asks for the data before a pad and for nothing of blocks that are all pad', () => {
    // Piece 0: a block of data, 100 bytes of data, pad to the end of piece 0 (two files of it). Piece 1: data again.
    const geometry = geometryOf(65536, [
      [BLOCK_LENGTH + 100],
      [1000, true],
      [0, false],
      [65536 - BLOCK_LENGTH - 1100, true],
      [70_000],
      [5, true],
      [3],
      [7, true],
    ])
    assert.deepEqual(
      [0, 1, 2, 3].map(block => geometry.requestSize(0, block)),
      [BLOCK_LENGTH, 100, 0, 0],
    )
    assert.equal(geometry.hasPad(0), true)
    assert.equal(geometry.hasPad(1), false)
    assert.equal(geometry.hasPad(2), true)
    assert.equal(geometry.requestSize(2, 0), 70_000 - 65536 + 5 + 3, 'a pad before data is asked for with it')
  })

  it('cuts any range into parts of files that meet end to end', () => {
    fc.assert(
      fc.property(geometries, fc.nat(), fc.nat(), (geometry, a, b) => {
        const begin = a % (geometry.length + 1)
        const end = Math.min(geometry.length, begin + (b % 200_000))
        let offset = begin
        for (const segment of geometry.segments(begin, end)) {
          const file = geometry.files[segment.file]!
          assert.ok(segment.length > 0)
          assert.equal(segment.offset, offset)
          assert.equal(file.offset + segment.fileOffset, offset)
          assert.ok(segment.fileOffset + segment.length <= file.length)
          assert.equal(segment.pad, file.pad)
          assert.equal(geometry.fileAt(offset), segment.file)
          offset += segment.length
        }
        assert.equal(offset, end)
      }),
    )
  })

  it('cuts the torrent into pieces and these into blocks, each byte once', () => {
    fc.assert(
      fc.property(geometries, geometry => {
        let offset = 0
        for (let piece = 0; piece < geometry.pieceCount; piece++) {
          assert.equal(geometry.pieceOffset(piece), offset)
          let size = 0
          for (let block = 0; block < geometry.blockCount(piece); block++) {
            const blockSize = geometry.blockSize(piece, block)
            assert.ok(blockSize > 0 && blockSize <= BLOCK_LENGTH)
            size += blockSize
          }
          assert.equal(size, geometry.pieceSize(piece))
          offset += size
        }
        assert.equal(offset, geometry.length)
      }),
    )
  })

  it('agrees with a byte-by-byte look on which bytes are pad', () => {
    fc.assert(
      fc.property(geometries, geometry => {
        const padded = new Uint8Array(geometry.length)
        for (const { offset, length, pad } of geometry.files) if (pad) padded.fill(1, offset, offset + length)
        for (let piece = 0; piece < geometry.pieceCount; piece++) {
          const begin = geometry.pieceOffset(piece)
          const bytes = padded.subarray(begin, begin + geometry.pieceSize(piece))
          assert.equal(geometry.hasPad(piece), bytes.includes(1))
          for (let block = 0; block < geometry.blockCount(piece); block++) {
            const from = block * BLOCK_LENGTH
            const part = bytes.subarray(from, from + geometry.blockSize(piece, block))
            assert.equal(geometry.requestSize(piece, block), part.lastIndexOf(0) + 1)
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('names exactly the pieces that a range of bytes touches', () => {
    fc.assert(
      fc.property(geometries, fc.nat(400_000), fc.nat(200_000), (geometry, begin, length) => {
        const { begin: first, end } = geometry.piecesIn(begin, begin + length)
        const touched: number[] = []
        for (let piece = 0; piece < geometry.pieceCount; piece++) {
          const offset = geometry.pieceOffset(piece)
          const from = Math.max(offset, begin)
          const to = Math.min(offset + geometry.pieceSize(piece), begin + length)
          if (from < to) touched.push(piece)
        }
        assert.equal(end - first, touched.length)
        if (touched.length > 0) assert.equal(first, touched[0])
      }),
    )
  })

  it('finds a byte among a million files, most of them empty, without walking them', () => {
    const list: Part[] = []
    for (let index = 0; index < 1_000_000; index++) list.push([index % 10 === 0 ? 100 : 0])
    const geometry = geometryOf(16384, list)
    const began = performance.now()
    for (let round = 0; round < 10_000; round++) {
      const offset = (round * 7919 * 100) % geometry.length
      assert.equal(geometry.segments(offset, offset + 150).length, 2 - Number(offset + 150 > geometry.length))
    }
    assert.ok(performance.now() - began < 2000)
  })
})

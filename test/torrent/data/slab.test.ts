import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { slabSize, SlabPool } from '../../../src/torrent/data/slab.js'
import type { Slab } from '../../../src/torrent/data/slab.js'

const MIB = 1024 * 1024

describe('the slab pool', () => {
  it('gives shared memory of at least the length, and wastes at most a quarter of the length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16384, max: 64 * MIB }), length => {
        const size = slabSize(length)
        assert.ok(size >= length && size <= length * 1.25, `${size} for ${length}`)
      }),
    )
    assert.equal(slabSize(MIB), MIB)
    assert.equal(slabSize(1), 16384)
    assert.ok(new SlabPool().acquire(20_000).bytes.buffer instanceof SharedArrayBuffer)
  })

  it('uses released memory again, and never gives one slab to two', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 100_000 })), { maxLength: 60 }),
        steps => {
          const dropped = new Set<number>()
          const pool = new SlabPool({ keepBytes: 200_000, onDrop: slab => dropped.add(slab.id) })
          const held: Slab[] = []
          for (const [take, length] of steps) {
            if (take || held.length === 0) {
              const slab = pool.acquire(length)
              assert.ok(!held.includes(slab) && !dropped.has(slab.id) && slab.bytes.length >= length)
              held.push(slab)
            } else pool.release(held.splice(length % held.length, 1)[0]!)
            const inUse = held.reduce((sum, slab) => sum + slab.bytes.length, 0)
            assert.equal(pool.inUse, held.length)
            assert.ok(pool.bytes <= Math.max(200_000, inUse), `${pool.bytes} of ${inUse} in use`)
          }
        },
      ),
    )
    const pool = new SlabPool()
    const slab = pool.acquire(MIB)
    pool.release(slab)
    assert.equal(pool.acquire(MIB - 5), slab)
  })

  it('gives up free slabs of other sizes rather than keep more than it may', () => {
    const dropped: number[] = []
    const pool = new SlabPool({ keepBytes: 2 * MIB, onDrop: slab => dropped.push(slab.bytes.length) })
    const small = [pool.acquire(MIB / 2), pool.acquire(MIB / 2)]
    for (const slab of small) pool.release(slab)
    pool.acquire(2 * MIB)
    assert.deepEqual(dropped, [MIB / 2, MIB / 2])
    assert.equal(pool.bytes, 2 * MIB)
  })

  it('gives up all free slabs when it is trimmed', () => {
    const pool = new SlabPool()
    const kept = pool.acquire(MIB)
    pool.release(pool.acquire(MIB))
    pool.trim()
    assert.equal(pool.bytes, kept.bytes.length)
  })

  it('refuses a slab that is released twice, and lengths that are none', () => {
    const pool = new SlabPool()
    const slab = pool.acquire(10)
    pool.release(slab)
    assert.throws(() => pool.release(slab), { code: 'ERR_TORRENTFS_ARGUMENT' })
    for (const length of [0, -1, NaN]) {
      assert.throws(() => pool.acquire(length), { code: 'ERR_TORRENTFS_ARGUMENT' })
    }
  })
})

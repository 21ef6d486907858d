import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryBudget } from '../../../src/torrent/data/memory-budget.js'

describe('the memory budget', () => {
  it('grants what fits and refuses what does not', () => {
    const budget = new MemoryBudget(100)
    assert.equal(budget.tryReserve(60), true)
    assert.equal(budget.tryReserve(41), false)
    assert.equal(budget.tryReserve(40), true)
    assert.deepEqual([budget.used, budget.free], [100, 0])
  })

  it('goes beyond by force, and for the first piece even without', () => {
    const budget = new MemoryBudget(100)
    assert.equal(budget.tryReserve(500), true)
    assert.equal(budget.tryReserve(1), false)
    assert.equal(budget.tryReserve(1, true), true)
    assert.deepEqual([budget.used, budget.free], [501, 0])
  })

  it('calls its listeners after each release until they end that', () => {
    const budget = new MemoryBudget(100)
    const seen: number[] = []
    const end = budget.onRelease(() => seen.push(budget.used))
    budget.tryReserve(50)
    budget.release(20)
    end()
    budget.release(30)
    assert.deepEqual(seen, [30])
  })

  it('refuses to take back more than it gave', () => {
    const budget = new MemoryBudget(100)
    budget.tryReserve(10)
    assert.throws(() => budget.release(11), { code: 'ERR_TORRENTFS_ARGUMENT' })
    assert.throws(() => new MemoryBudget(0), { code: 'ERR_TORRENTFS_ARGUMENT' })
  })
})

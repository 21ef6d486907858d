import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { UseOrder } from '../../../src/torrent/capacity/use-order.js'

/** The same as an array, slowly. */
class NaiveOrder {
  keys: number[] = []

  add(key: number): void {
    if (!this.keys.includes(key)) this.keys.push(key)
  }

  touch(key: number): void {
    if (this.delete(key)) this.keys.push(key)
  }

  delete(key: number): boolean {
    const there = this.keys.includes(key)
    this.keys = this.keys.filter(other => other !== key)
    return there
  }

  deleteRange(begin: number, end: number): void {
    this.keys = this.keys.filter(key => key < begin || key >= end)
  }

  takeOldest(may: (key: number) => boolean): number | undefined {
    const at = this.keys.findIndex(may)
    if (at < 0) return undefined
    this.keys = [...this.keys.slice(at), ...this.keys.slice(0, at)]
    return this.keys.shift()
  }
}

const key = fc.nat({ max: 12 })
const step = fc.oneof(
  fc.record({ do: fc.constantFrom('add' as const, 'touch' as const, 'delete' as const), key }),
  fc.record({ do: fc.constant('deleteRange' as const), begin: key, end: key }),
  fc.record({ do: fc.constant('takeOldest' as const), kept: fc.uniqueArray(key) }),
)

describe('UseOrder', () => {
  it('gives up what was used longest ago, as a plain list would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const order = new UseOrder()
        const naive = new NaiveOrder()
        for (const next of steps) {
          if (next.do === 'deleteRange') {
            order.deleteRange(next.begin, next.end)
            naive.deleteRange(next.begin, next.end)
          } else if (next.do === 'takeOldest') {
            const may = (other: number): boolean => !next.kept.includes(other)
            assert.equal(order.takeOldest(may), naive.takeOldest(may))
          } else {
            order[next.do](next.key)
            naive[next.do](next.key)
          }
          assert.equal(order.size, naive.keys.length)
        }
        for (const _ of [...naive.keys]) {
          assert.equal(
            order.takeOldest(() => true),
            naive.takeOldest(() => true),
          )
        }
      }),
      { numRuns: 1000 },
    )
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TierList } from '../../../src/torrent/discovery/tiers.js'

const of = (...urls: string[]): { url: string }[] => urls.map(url => ({ url }))
const urls = (list: TierList<{ url: string }>): string[][] =>
  list.tiers.map(tier => tier.map(({ url }) => url))

test('a tier is shuffled by the given randomness and tiers keep their order', () => {
  const list = new TierList<{ url: string }>(() => 0)
  list.addTier(of('a', 'b', 'c'))
  list.addTier(of('d'))
  assert.deepEqual(urls(list), [['b', 'c', 'a'], ['d']])
})

test('every order of a tier comes about equally often', () => {
  const seen = new Map<string, number>()
  let state = 12345
  const random = (): number => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31
  for (let run = 0; run < 6000; run++) {
    const list = new TierList<{ url: string }>(random)
    list.addTier(of('a', 'b', 'c'))
    const order = urls(list)[0]!.join('')
    seen.set(order, (seen.get(order) ?? 0) + 1)
  }
  assert.equal(seen.size, 6)
  for (const [order, times] of seen) assert.ok(times > 800 && times < 1200, `${order}: ${times}`)
})

test('a tracker that answered moves to the front of its own tier', () => {
  const list = new TierList<{ url: string }>(() => 0.999)
  const tier = list.addTier(of('a', 'b', 'c'))
  list.addTier(of('d', 'e'))
  list.promote(tier[2]!)
  assert.deepEqual(urls(list), [
    ['c', 'a', 'b'],
    ['d', 'e'],
  ])
  list.promote({ url: 'a' })
  assert.deepEqual(urls(list)[0], ['c', 'a', 'b'], 'a stranger of the same name is none of them')
})

test('no tracker is in twice and no tier is empty', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.constantFrom('a', 'b', 'c', 'd'))), tiers => {
      const list = new TierList<{ url: string }>(Math.random)
      for (const tier of tiers) list.addTier(of(...tier))
      const all = urls(list).flat()
      assert.deepEqual(all.toSorted(), [...new Set(tiers.flat())].sort())
      assert.ok(list.tiers.every(tier => tier.length > 0))
      assert.equal(list.size, all.length)
      assert.ok(all.every(url => list.has(url)))
    }),
  )
})

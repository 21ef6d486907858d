import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Claims } from '../../src/watch/claims.js'

describe('Claims', () => {
  it('lets go of a torrent only once nobody has claimed it for the whole grace', () => {
    const claims = new Claims(100)
    claims.set('a', ['x', 'y', 'x'], 0)
    claims.set('b', ['x'], 0)
    claims.drop('a', 10)
    assert.deepEqual(claims.takeDue(109), [])
    assert.equal(claims.nextDue, 110)
    assert.deepEqual(claims.takeDue(110), ['y'])
    assert.deepEqual(claims.takeDue(1000), [])
    claims.drop('b', 1000)
    claims.set('c', ['x'], 1050)
    assert.deepEqual(claims.takeDue(5000), [])
    assert.equal(claims.nextDue, undefined)
    assert.equal(claims.size, 1)
  })

  it('agrees with counting the files of each infohash, whatever happens to them', () => {
    const step = fc.record({
      file: fc.constantFrom('a', 'b', 'c'),
      infohashes: fc.array(fc.constantFrom('x', 'y', 'z'), { maxLength: 4 }),
    })
    fc.assert(
      fc.property(fc.array(step), steps => {
        const claims = new Claims(0)
        const model = new Map<string, readonly string[]>()
        const present = new Set<string>()
        steps.forEach(({ file, infohashes }, now) => {
          claims.set(file, infohashes, now)
          model.set(file, infohashes)
          for (const infohash of infohashes) present.add(infohash)
          for (const infohash of claims.takeDue(now)) assert.ok(present.delete(infohash))
          assert.deepEqual(present, new Set([...model.values()].flat()))
          assert.equal(claims.size, present.size)
        })
      }),
    )
  })
})

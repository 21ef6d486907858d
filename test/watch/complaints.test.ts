import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Complaints } from '../../src/watch/complaints.js'

const bad = (reason: string) => ({ reason, usable: [] })

describe('Complaints', () => {
  it('speaks of a file once it has been left alone for the first delay', () => {
    const complaints = new Complaints({ first: 100, again: 1000 })
    for (let now = 0; now < 500; now += 50) {
      complaints.failed('f', bad(`byte ${now}`), now)
      assert.deepEqual(complaints.takeDue(now), [])
    }
    assert.equal(complaints.nextDue, 550)
    assert.deepEqual(complaints.takeDue(550), [{ file: 'f', reason: 'byte 450', usable: [], tell: true }])
    assert.deepEqual(complaints.takeDue(100_000), [])
  })

  it('settles a later failure of the same file soon, but tells its reason only after the long delay', () => {
    const complaints = new Complaints({ first: 100, again: 1000 })
    complaints.failed('f', bad('one'), 0)
    complaints.takeDue(100)
    complaints.failed('f', bad('two'), 200)
    assert.deepEqual(
      complaints.takeDue(300).map(({ tell }) => tell),
      [false],
    )
    assert.deepEqual(complaints.takeDue(1199), [])
    assert.deepEqual(
      complaints.takeDue(1200).map(({ reason, tell }) => [reason, tell]),
      [['two', true]],
    )
    assert.equal(complaints.nextDue, undefined)
  })

  it('does not repeat a reason that was told', () => {
    const complaints = new Complaints({ first: 100, again: 1000 })
    complaints.failed('f', bad('one'), 0)
    complaints.takeDue(100)
    complaints.failed('f', bad('one'), 200)
    assert.deepEqual(
      complaints.takeDue(300).map(({ tell }) => tell),
      [false],
    )
    assert.deepEqual(complaints.takeDue(100_000), [])
  })

  it('starts anew with a file that was whole in between', () => {
    const complaints = new Complaints({ first: 100, again: 1000 })
    complaints.failed('f', bad('one'), 0)
    complaints.takeDue(100)
    complaints.clear('f')
    assert.equal(complaints.size, 0)
    complaints.failed('f', bad('one'), 200)
    assert.deepEqual(
      complaints.takeDue(300).map(({ tell }) => tell),
      [true],
    )
  })
})

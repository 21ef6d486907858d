/**
 * A slice of the fuzz of every decoder, other inputs each time: `npm run fuzz` runs it for long.
 *
 * FUZZ_SEED repeats a run; FUZZ_INPUTS says how many inputs each decoder gets.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fuzz, inputOf, type Target } from '../support/fuzz.js'
import { TARGETS } from './fuzz/targets.js'

const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const INPUTS = Number(process.env['FUZZ_INPUTS'] ?? 10_000)
/** Those that play a whole conversation for each input get fewer. */
const COSTLY = new Map([['peer', 5]])

describe(`of spoilt inputs, seed ${SEED},`, () => {
  for (const target of TARGETS) {
    test(`the decoder of ${target.name} takes or refuses each`, () => {
      const count = Math.ceil(INPUTS / (COSTLY.get(target.name) ?? 1))
      const { taken, refused } = fuzz(target, { seed: SEED, count })
      // Else the inputs are all nonsense, or not spoilt at all.
      assert.ok(taken > count / 100, `${taken} were taken`)
      assert.ok(refused > count / 100, `${refused} were refused`)
    })
  }
})

describe('the fuzz', () => {
  test('has a name of its own for each decoder', () => {
    const names = TARGETS.map(({ name }) => name)
    assert.equal(new Set(names).size, names.length, names.join(', '))
  })

  const samples = [Buffer.from('d1:a4:spam1:bli1ei2eee')]
  const target = (take: Target['take']): Target => ({ name: 'a double', grammar: 'bencode', samples, take })

  test('finds a decoder that throws what it does not say', () => {
    const broken = target(input => {
      if (input.length > 5) throw new RangeError('too long')
      return true
    })
    assert.throws(() => fuzz(broken, { seed: 1, count: 1000 }), /a double, seed 1, input \d+/)
  })

  test('finds a decoder that allocates what an input states', () => {
    const greedy = target(() => new Uint8Array(16_000_000).length > 0)
    const options = { seed: 1, count: 1000, mostUsed: 8_000_000 }
    assert.throws(
      () => fuzz(greedy, options),
      (error: Error) => /were allocated/.test(String(error.cause)),
    )
  })

  test('finds a decoder that keeps what it was given', () => {
    const kept: Uint8Array[] = []
    const hoarder = target(() => kept.push(new Uint8Array(1_000_000)) > 0)
    assert.throws(
      () => fuzz(hoarder, { seed: 1, count: 1000 }),
      (error: Error) => /are kept/.test(String(error.cause)),
    )
  })

  test('makes the same input of the same numbers', () => {
    const double = target(() => true)
    for (let index = 0; index < 100; index++) {
      assert.deepEqual(inputOf(double, 5, index).input, inputOf(double, 5, index).input)
    }
  })
})

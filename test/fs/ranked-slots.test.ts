import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RankedSlots } from '../../src/fs/ranked-slots.js'

interface Claimant {
  rank: number
  choices: number[]
  held: number | undefined
}

/** What a claimant wants at `attempt`: its list, then places that are its own. */
function choiceOf(claimant: Claimant, attempt: number): number {
  return claimant.choices[attempt] ?? 1000 + claimant.rank * 1000 + attempt
}

function make(): RankedSlots<number, Claimant> {
  return new RankedSlots({
    choice: choiceOf,
    before: (a, b) => a.rank < b.rank,
    moved: (claimant, slot) => {
      claimant.held = slot
    },
  })
}

/** Each in the order of rank takes its first free choice. */
function expected(present: Claimant[]): Map<number, number> {
  const taken = new Map<number, number>()
  for (const claimant of [...present].sort((a, b) => a.rank - b.rank)) {
    let attempt = 0
    while (taken.has(choiceOf(claimant, attempt))) attempt++
    taken.set(choiceOf(claimant, attempt), claimant.rank)
  }
  return taken
}

describe('ranked slots', () => {
  test('are held as if all had chosen in the order of rank, whatever the order of coming and going', () => {
    const claimants = fc.array(fc.array(fc.nat(5), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(claimants, fc.array(fc.nat(11), { maxLength: 60 }), (lists, steps) => {
        const all = lists.map((choices, rank): Claimant => ({ rank, choices, held: undefined }))
        const present = new Set<Claimant>()
        const slots = make()
        for (const step of steps) {
          const claimant = all[step % all.length]!
          if (present.delete(claimant)) slots.release(claimant)
          else {
            present.add(claimant)
            slots.claim(claimant)
          }
          const want = expected([...present])
          assert.equal(slots.size, want.size)
          for (const [slot, rank] of want) assert.equal(slots.get(slot)?.rank, rank)
          for (const each of present) assert.equal(want.get(each.held!), each.rank)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('tell which slot became empty', () => {
    const vacated: number[] = []
    const slots = new RankedSlots<number, Claimant>({
      choice: choiceOf,
      before: (a, b) => a.rank < b.rank,
      moved: (claimant, slot) => (claimant.held = slot),
      vacated: slot => vacated.push(slot),
    })
    const [a, b] = [0, 1].map((rank): Claimant => ({ rank, choices: [7, 8], held: undefined }))
    slots.claim(b!)
    slots.claim(a!)
    assert.deepEqual([a!.held, b!.held], [7, 8])
    slots.release(a!)
    assert.equal(b!.held, 7)
    assert.deepEqual(vacated, [8])
  })
})

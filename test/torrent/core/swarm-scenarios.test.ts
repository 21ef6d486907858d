/**
 * How well swarms are read from, held with margins to what `npm run simulate` shows: the clock is virtual, so the figures
 * are the same on every machine.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { play, SCENARIOS, type Figures } from './swarm-scenarios.js'

const MIB = 1024 * 1024

interface Bounds {
  /** Of what one fast peer gives. */
  readonly share: number
  /** Payload that comes twice, of what is of use, 0 to 1. */
  readonly duplicates: number
  readonly longestMs: number
  /** Read instead of all of it, in bytes. */
  readonly bytes?: number
}

const HELD: Readonly<Record<string, Bounds>> = {
  '1 peer, 40 ms': { share: 0.85, duplicates: 0, longestMs: 1500, bytes: 64 * MIB },
  '2 peers, 20 and 300 ms': { share: 0.8, duplicates: 0.01, longestMs: 3000 },
  '2 like web seeds, 60 ms': { share: 0.9, duplicates: 0.01, longestMs: 1000, bytes: 64 * MIB },
  '30 peers, 40 ms': { share: 0.8, duplicates: 0.05, longestMs: 3000, bytes: 128 * MIB },
  '200 peers, 150 ms': { share: 0.9, duplicates: 0.02, longestMs: 3000 },
  '200 unreliable, 150 ms': { share: 0.7, duplicates: 0.03, longestMs: 8000 },
  '200 peers, two readers': { share: 0.9, duplicates: 0.04, longestMs: 4000 },
}

describe('reading from', () => {
  for (const [name, { share, duplicates, longestMs, bytes }] of Object.entries(HELD)) {
    for (const seed of [1, 2]) {
      test(`${name}, is as fast as it may be, seed ${seed}`, () => {
        const scenario = SCENARIOS.find(known => known.name === name)!
        const figures: Figures = play(bytes === undefined ? scenario : { ...scenario, bytes }, seed)
        const { rate, reference } = figures
        assert.ok(rate >= share * reference, `${rate.toFixed(0)} of ${reference.toFixed(0)} bytes/s`)
        assert.ok(figures.duplicates <= duplicates, `${100 * figures.duplicates} % came twice`)
        assert.ok(figures.longestMs < longestMs, `a read took ${figures.longestMs} ms`)
        for (const took of figures.seeksMs) assert.ok(took < 5000, `a seek took ${took} ms`)
      })
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PRIVACY_GRACE_MS, publicIn, type PrivacyFacts } from '../../src/torrent/privacy.js'

const rows: readonly (readonly [what: string, facts: PrivacyFacts, ms: number])[] = [
  ['a private torrent never', { isPrivate: true, hasSources: true, askedMs: 1e9 }, Infinity],
  ['a private torrent without sources never', { isPrivate: true, hasSources: false, askedMs: 0 }, Infinity],
  ['a public torrent at once', { isPrivate: false, hasSources: true, askedMs: 0 }, 0],
  ['a magnet that names nobody at once', { isPrivate: undefined, hasSources: false, askedMs: 0 }, 0],
  ['a magnet after the grace', { isPrivate: undefined, hasSources: true, askedMs: PRIVACY_GRACE_MS }, 0],
  ['a magnet long after', { isPrivate: undefined, hasSources: true, askedMs: 1e9 }, 0],
  ['a magnet not before its sources', { isPrivate: undefined, hasSources: true, askedMs: 500 }, 1500],
]

for (const [what, facts, ms] of rows) {
  test(`${what} is looked for in public`, () => assert.equal(publicIn(facts), ms))
}

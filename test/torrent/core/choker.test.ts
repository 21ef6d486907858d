import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Choker, UPLOAD_SLOTS } from '../../../src/torrent/core/choker.js'
import { PeerState } from '../../../src/torrent/core/peer-state.js'

function peer(number: number, traits: Partial<PeerState> = {}): PeerState {
  return Object.assign(new PeerState(number, true, false, 0), { peerInterested: true }, traits)
}

test('while there are slots for all, all that are interested are served', () => {
  const peers = [peer(1), peer(2), peer(3, { peerInterested: false })]
  assert.deepEqual(new Choker().choose(peers, false, 0), new Set(peers.slice(0, 2)))
})

test('who sends us fastest is served, and one more for a while', () => {
  const peers = Array.from({ length: 20 }, (_, i) => peer(i, { downloadRate: i, uploadRate: -i }))
  const choker = new Choker()
  const first = choker.choose(peers, false, 0)
  assert.equal(first.size, UPLOAD_SLOTS)
  for (let i = 13; i < 20; i++) assert.ok(first.has(peers[i]!))
  const optimistic = [...first].find(chosen => chosen.number < 13)!
  optimistic.unchokedAt = 0
  assert.ok(choker.choose(peers, false, 10_000).has(optimistic), 'it keeps its slot for 30 s')
  assert.ok(!choker.choose(peers, false, 31_000).has(optimistic), 'then another has its turn')
})

test('a seed serves those that take fastest', () => {
  const peers = Array.from({ length: 20 }, (_, i) => peer(i, { downloadRate: i, uploadRate: 100 - i }))
  const chosen = new Choker().choose(peers, true, 0)
  for (let i = 0; i < UPLOAD_SLOTS - 1; i++) assert.ok(chosen.has(peers[i]!))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PeerState } from '../../src/torrent/core/peer-state.js'
import { PeerTurnover, type TurnoverCandidate } from '../../src/torrent/peer-turnover.js'

function candidate(number: number, more: Partial<TurnoverCandidate> = {}, traits: Partial<PeerState> = {}) {
  const state = Object.assign(new PeerState(number, true, true, 0), traits)
  return { number, state, payload: 0, pinned: false, ...more }
}

/** What is chosen at the second look, `ms` after the first. */
function second(first: readonly TurnoverCandidate[], then: readonly TurnoverCandidate[], ms: number) {
  const turnover = new PeerTurnover()
  assert.equal(turnover.choose(first, 0), undefined, 'nobody is known for long enough')
  return turnover.choose(then, ms)
}

const one = candidate(1)

for (const [title, first, then, ms, expected] of [
  ['nobody goes within a minute', [one], [one], 59_000, undefined],
  ['who exchanged nothing for a minute goes', [one], [one], 60_000, 1],
  ['who exchanged something stays', [one], [candidate(1, { payload: 1 })], 60_000, undefined],
  ['who came meanwhile stays', [one], [candidate(1, { payload: 1 }), candidate(2)], 60_000, undefined],
  [
    'a peer the user named stays',
    [candidate(1, { pinned: true })],
    [candidate(1, { pinned: true })],
    60_000,
    undefined,
  ],
  [
    'of idle ones the least wanted goes',
    [candidate(1, {}, { peerInterested: true }), candidate(2, {}, { amInterested: true }), candidate(3)],
    [candidate(1, {}, { peerInterested: true }), candidate(2, {}, { amInterested: true }), candidate(3)],
    60_000,
    3,
  ],
  [
    'a peer that only snubs us is worth nothing',
    [candidate(1, {}, { peerInterested: true }), candidate(2, {}, { amInterested: true, snubbedSince: 1 })],
    [candidate(1, {}, { peerInterested: true }), candidate(2, {}, { amInterested: true, snubbedSince: 1 })],
    60_000,
    2,
  ],
] as const) {
  test(title, () => assert.equal(second(first, then, ms), expected))
}

test('however many strangers come, room is made every five seconds at most', () => {
  const turnover = new PeerTurnover()
  const peers = Array.from({ length: 50 }, (_, i) => candidate(i))
  turnover.choose(peers, 0)
  let dropped = 0
  for (let now = 60_000; now < 80_000; now += 100) {
    const number = turnover.choose(peers, now)
    if (number === undefined) continue
    dropped++
    peers.splice(
      peers.findIndex(peer => peer.number === number),
      1,
    )
  }
  assert.equal(dropped, 4)
})

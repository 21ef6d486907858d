import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import {
  Choker,
  OPTIMISTIC_MS,
  RECHOKE_MS,
  UPLOAD_SLOTS,
  uploadSlots,
} from '../../../src/torrent/core/choker.js'
import { PeerState } from '../../../src/torrent/core/peer-state.js'

function peer(number: number, traits: Partial<PeerState> = {}): PeerState {
  return Object.assign(new PeerState(number, true, false, 0), { peerInterested: true }, traits)
}

/** How often each peer was chosen when its turn moved on, over `rounds` turns. */
function turns(choker: Choker, peers: readonly PeerState[], seeding: boolean, rounds: number): number[] {
  const counts = peers.map(() => 0)
  for (let round = 0; round < rounds; round++) {
    const chosen = choker.choose(peers, seeding, UPLOAD_SLOTS, round * OPTIMISTIC_MS)
    assert.equal(chosen.size, UPLOAD_SLOTS)
    peers.forEach((each, i) => (counts[i]! += Number(chosen.has(each))))
  }
  return counts
}

test('while there are slots for all, all that are interested are served', () => {
  const peers = [peer(1), peer(2), peer(3, { peerInterested: false })]
  assert.deepEqual(new Choker().choose(peers, false, UPLOAD_SLOTS, 0), new Set(peers.slice(0, 2)))
})

test('without slots nobody is served', () => {
  assert.deepEqual(new Choker().choose([peer(1)], false, 0, 0), new Set())
})

describe('tit for tat', () => {
  const peers = Array.from({ length: 20 }, (_, i) => peer(i, { downloadRate: i, uploadRate: 100 - i }))

  test('who sends us fastest is served, and one more for 30 s', () => {
    const choker = new Choker()
    const first = choker.choose(peers, false, UPLOAD_SLOTS, 0)
    assert.equal(first.size, UPLOAD_SLOTS)
    for (let i = 13; i < 20; i++) assert.ok(first.has(peers[i]!))
    const optimistic = [...first].find(chosen => chosen.number < 13)!
    for (const now of [RECHOKE_MS, 29_999]) {
      assert.ok(choker.choose(peers, false, UPLOAD_SLOTS, now).has(optimistic), 'it keeps its slot')
    }
    assert.ok(
      !choker.choose(peers, false, UPLOAD_SLOTS, OPTIMISTIC_MS).has(optimistic),
      'another has its turn',
    )
  })

  test('the optimistic slot comes round to everyone', () => {
    const counts = turns(new Choker(), peers, false, 13 * 4)
    assert.ok(Math.min(...counts) >= 3, counts.join(' '))
  })

  test('a peer that never had a turn comes three times as often', () => {
    const choker = new Choker()
    const regular = Array.from({ length: 7 }, (_, i) => peer(100 + i, { downloadRate: 1000 }))
    const old = Array.from({ length: 40 }, (_, i) => peer(i))
    let now = 0
    for (; now < 80 * OPTIMISTIC_MS; now += OPTIMISTIC_MS)
      choker.choose([...regular, ...old], false, UPLOAD_SLOTS, now)
    // Twenty old ones and one that is new all the time: another each time it had its turn.
    let newcomer = peer(1000)
    let newTurns = 0
    const rounds = 600
    for (let round = 0; round < rounds; round++, now += OPTIMISTIC_MS) {
      const all = [...regular, ...old.slice(0, 20), newcomer]
      if (!choker.choose(all, false, UPLOAD_SLOTS, now).has(newcomer)) continue
      newTurns++
      newcomer = peer(1001 + round)
    }
    const fair = rounds / 21
    assert.ok(newTurns > 1.5 * fair && newTurns < 4 * fair, `${newTurns} turns, ${fair} would be everyone's`)
  })

  test('slots of peers that send nothing are optimistic ones', () => {
    const silent = Array.from({ length: 30 }, (_, i) => peer(i, { downloadRate: i < 2 ? 1000 : 0 }))
    const counts = turns(new Choker(), silent, false, 28)
    assert.deepEqual(counts.slice(0, 2), [28, 28])
    for (const count of counts.slice(2)) assert.ok(count >= 4, counts.join(' '))
  })

  test('a peer that becomes interested takes no slot whose turn is not over', () => {
    const choker = new Choker()
    const idle = Array.from({ length: 20 }, (_, i) => peer(i))
    const before = choker.choose(idle, false, UPLOAD_SLOTS, 0)
    assert.deepEqual(choker.choose([...idle, peer(50)], false, UPLOAD_SLOTS, 1000), before)
  })
})

test('a seed serves those that take fastest with half of its slots, and everyone in turn with the rest', () => {
  const peers = Array.from({ length: 20 }, (_, i) => peer(i, { uploadRate: 100 - i }))
  const counts = turns(new Choker(), peers, true, 40)
  assert.deepEqual(counts.slice(0, 4), [40, 40, 40, 40])
  for (const count of counts.slice(4)) assert.ok(count >= 8, counts.join(' '))
})

for (const [rate, slots] of [
  [0, UPLOAD_SLOTS],
  [1, 2],
  [64 * 1024, 4],
  [128 * 1024, UPLOAD_SLOTS],
  [1e9, UPLOAD_SLOTS],
] as const) {
  test(`an upload limit of ${rate} bytes/s is shared by ${slots}`, () =>
    assert.equal(uploadSlots(rate), slots))
}

/**
 * A swarm of choosers: each contributor uploads 100 KiB/s to those it unchokes, split among them; free riders upload
 * nothing. Everybody always lacks something of everybody.
 */
function shares(contributors: number, riders: number, minutes: number): { readonly [who: string]: number } {
  const count = contributors + riders
  const states = Array.from({ length: count }, () => Array.from({ length: count }, (_, i) => peer(i)))
  const chokers = states.map(() => new Choker())
  const got = new Array<number>(count).fill(0)
  for (let now = 0; now < minutes * 60_000; now += RECHOKE_MS) {
    for (let from = 0; from < contributors; from++) {
      const others = states[from]!.filter(state => state.number !== from)
      const chosen = chokers[from]!.choose(others, false, 4, now)
      for (const { number } of chosen) {
        const bytes = (100 * 1024 * RECHOKE_MS) / 1000 / chosen.size
        states[from]![number]!.sent(bytes)
        states[number]![from]!.delivered(0, bytes, now)
        got[number]! += bytes
      }
    }
    for (const own of states) for (const state of own) state.measureChoking(RECHOKE_MS)
  }
  const mean = (from: number, to: number): number => {
    return got.slice(from, to).reduce((sum, bytes) => sum + bytes, 0) / (to - from)
  }
  return { contributor: mean(0, contributors), rider: mean(contributors, count) }
}

for (const [contributors, riders] of [
  [20, 5],
  [20, 20],
  [10, 40],
] as const) {
  test(`among ${contributors} contributors ${riders} free riders get less than half of what contributors get`, () => {
    const { contributor, rider } = shares(contributors, riders, 30)
    assert.ok(rider! < contributor! / 2, `${rider} and ${contributor} bytes`)
    assert.ok(rider! > 0, 'and not nothing')
  })
}

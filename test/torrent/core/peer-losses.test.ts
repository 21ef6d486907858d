/**
 * What the core makes of peers that lose pieces (BEP 54) and of peers that want nothing more (BEP 21).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { PeerState } from '../../../src/torrent/core/peer-state.js'
import { PieceTable } from '../../../src/torrent/core/piece-table.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'
import { Geometry } from '../../../src/torrent/pieces/geometry.js'
import type { PeerTraits } from './simulated-peer.js'
import { SimulatedSwarm } from './simulated-swarm.js'

const KIB = 1024
const PIECE = 64 * KIB

describe('a peer that loses a piece', () => {
  test('is not asked for it again, and what it was asked goes to another', () => {
    const lacking = new Set<number>()
    const loser: PeerTraits = { latencyMs: 20, rate: 100 * KIB, has: piece => !lacking.has(piece) }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 4, pieceLength: PIECE, peers: [loser] })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 4 * PIECE, readahead: 0 })
    const wait = swarm.wait(1, 0, PIECE)
    swarm.run(100)
    assert.ok(swarm.outstanding > 0)
    // From here on the simulation fails when the peer is asked for piece 0.
    lacking.add(0)
    swarm.post({ type: 'message', peer: 1, message: { type: 'dontHave', piece: 0 } })
    assert.equal(swarm.outstanding, 0)
    swarm.run(3000)
    assert.ok(!swarm.done.has(wait))
    assert.deepEqual(swarm.core.peersServing(0), { connected: 1, have: 0, unchoked: 0 })
    swarm.connect(2, { latencyMs: 20, rate: 1000 * KIB })
    assert.ok(swarm.run(5000, () => swarm.done.has(wait)))
  })

  test('is asked again once it has it again', () => {
    const lacking = new Set([0])
    const peer: PeerTraits = { latencyMs: 5, rate: 1000 * KIB, has: piece => !lacking.has(piece) }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 2, pieceLength: PIECE, peers: [peer] })
    swarm.post({ type: 'message', peer: 1, message: { type: 'have', piece: 0 } })
    swarm.post({ type: 'message', peer: 1, message: { type: 'dontHave', piece: 0 } })
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 2 * PIECE, readahead: 0 })
    const wait = swarm.wait(1, 0, PIECE)
    swarm.run(2000)
    assert.ok(!swarm.done.has(wait))
    lacking.clear()
    swarm.post({ type: 'message', peer: 1, message: { type: 'have', piece: 0 } })
    assert.ok(swarm.run(5000, () => swarm.done.has(wait)))
  })

  test('names a piece that is none: it is dropped', () => {
    const swarm = new SimulatedSwarm({
      seed: 1,
      pieceCount: 2,
      pieceLength: PIECE,
      peers: [{ latencyMs: 1, rate: 1 }],
    })
    swarm.post({ type: 'message', peer: 1, message: { type: 'dontHave', piece: 2 } })
    assert.ok(swarm.dropped.has(1))
  })

  test('availability counts right, whatever peers gain, lose and claim', () => {
    const PIECES = 6
    const geometry = new Geometry({
      length: PIECES * PIECE,
      pieceLength: PIECE,
      files: [{ offset: 0, length: PIECES * PIECE, pad: false }],
    })
    const peerOf = fc.nat({ max: 2 })
    const piece = fc.nat({ max: PIECES - 1 })
    const change = fc.oneof(
      fc.record({ type: fc.constantFrom('have', 'dontHave'), peer: peerOf, piece }),
      fc.record({ type: fc.constantFrom('all', 'none'), peer: peerOf, piece }),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), changes => {
        const table = new PieceTable(geometry, new Bitfield(PIECES), new Bitfield(0))
        const peers = [1, 2, 3].map(number => new PeerState(number, true, false, 0))
        const model = [new Set<number>(), new Set<number>(), new Set<number>()]
        for (const { type, peer, piece } of changes) {
          const [state, has] = [peers[peer]!, model[peer]!]
          if (type === 'have') table.claim(state, piece)
          else if (type === 'dontHave') assert.equal(table.disclaim(state, piece), has.has(piece))
          else table.claimAll(state, type === 'all', undefined)
          if (type === 'have') has.add(piece)
          else if (type === 'dontHave') has.delete(piece)
          else if (type === 'none') has.clear()
          else for (let i = 0; i < PIECES; i++) has.add(i)
        }
        for (let i = 0; i < PIECES; i++) {
          const holders = peers.filter((peer, at) => {
            assert.equal(peer.has(i), model[at]!.has(i))
            return peer.has(i) && !peer.hasAll
          })
          assert.equal(table.availabilityOf(i), holders.length)
        }
      }),
    )
  })
})

describe('upload only', () => {
  const seed: PeerTraits = { latencyMs: 1, rate: 10_000 * KIB }

  test('we are when all that was selected is stored, until a reader wants more', () => {
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 4, pieceLength: PIECE, peers: [seed] })
    assert.equal(swarm.core.uploadOnly, false, 'nothing is selected: a reader may come')
    swarm.post({ type: 'select', begin: 0, end: 2 })
    assert.equal(swarm.core.uploadOnly, false)
    assert.ok(swarm.run(5000, () => swarm.complete))
    assert.equal(swarm.core.uploadOnly, true)
    assert.deepEqual([...swarm.core.uselessPeers()], [], 'it has what a reader may want')
    swarm.post({ type: 'readerOpened', reader: 1, begin: 0, end: 4 * PIECE, readahead: 0 })
    assert.equal(swarm.core.uploadOnly, false)
    swarm.post({ type: 'readerClosed', reader: 1 })
    assert.equal(swarm.core.uploadOnly, true)
  })

  test('a seed keeps who downloads, and no other seed and no partial seed', () => {
    const partial: PeerTraits = { latencyMs: 1, rate: 1, has: piece => piece === 0 }
    const swarm = new SimulatedSwarm({
      seed: 1,
      pieceCount: 2,
      pieceLength: PIECE,
      peers: [seed, partial, partial],
    })
    swarm.post({ type: 'select', begin: 0, end: 2 })
    assert.ok(swarm.run(5000, () => swarm.complete))
    swarm.post({ type: 'uploadOnly', peer: 3, uploadOnly: true })
    assert.deepEqual([...swarm.core.uselessPeers()], [1, 3])
  })

  test('who will download nothing gets no upload slot', () => {
    const leech: PeerTraits = { latencyMs: 1, rate: 1, has: () => false }
    const swarm = new SimulatedSwarm({ seed: 1, pieceCount: 2, pieceLength: PIECE, peers: [leech] })
    swarm.post({ type: 'message', peer: 1, message: { type: 'interested' } })
    assert.equal(swarm.core.peer(1)!.amChoking, false)
    swarm.post({ type: 'uploadOnly', peer: 1, uploadOnly: true })
    assert.equal(swarm.core.peer(1)!.amChoking, true)
    swarm.post({ type: 'uploadOnly', peer: 1, uploadOnly: false })
    assert.equal(swarm.core.peer(1)!.amChoking, false)
  })
})

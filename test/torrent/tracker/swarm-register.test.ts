import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  SwarmRegister,
  type PeerAnnounce,
  type SwarmLimits,
} from '../../../src/torrent/tracker/swarm-register.js'

const LIMITS: SwarmLimits = {
  maxTorrents: 1000,
  maxPeersPerTorrent: 1000,
  maxPeersPerAddress: 1000,
  maxAddresses: 50,
  expiryMs: 1000,
}
const INFOHASH = 'aa'.repeat(20)

/** An IPv4 address with its port. */
function at(host: number, port = 6881): Uint8Array {
  return Uint8Array.of(10, 0, host >>> 8, host, port >>> 8, port)
}

function at6(network: number, host: number): Uint8Array {
  const bytes = new Uint8Array(18)
  bytes.set([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, network])
  bytes.set([host, 0x1a, 0xe1], 15)
  return bytes
}

function announce(o: Partial<PeerAnnounce> = {}): PeerAnnounce {
  return { infohash: INFOHASH, address: at(1), left: 1, event: undefined, numWant: 50, ...o }
}

function register(limits: Partial<SwarmLimits> = {}): SwarmRegister {
  return new SwarmRegister({ ...LIMITS, ...limits }, () => 0.5)
}

const texts = (addresses: readonly Uint8Array[]): string[] =>
  addresses.map(address => address.join('.')).sort()

describe('the peers a tracker knows', () => {
  it('are those of a plain list of who announced last and when, whatever comes', () => {
    const action = fc.record({
      host: fc.integer({ min: 1, max: 8 }),
      left: fc.constantFrom(0, 1),
      event: fc.constantFrom(undefined, 'started', 'stopped', 'completed', 'paused'),
      after: fc.constantFrom(0, 1, 300, 999, 1000),
      family: fc.constantFrom(4, 6),
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), fc.integer({ min: 0, max: 999 }), (actions, lot) => {
        const tested = new SwarmRegister(LIMITS, () => lot / 1000)
        const model = new Map<
          string,
          { address: Uint8Array; seeder: boolean; paused: boolean; until: number }
        >()
        let downloads = 0
        let now = 0
        for (const { host, left, event, after, family } of actions) {
          now += after
          const address = family === 4 ? at(host) : at6(host, 1)
          const key = address.join('.')
          for (const [other, { until }] of model) if (until <= now) model.delete(other)
          if (event === 'completed' && left === 0 && model.get(key)?.seeder === false) downloads++
          model.delete(key)
          if (event !== 'stopped')
            model.set(key, { address, seeder: left === 0, paused: event === 'paused', until: now + 1000 })
          const answer = tested.announce(announce({ address, left, event }), now)
          const expected = [...model.values()].filter(
            peer =>
              event !== 'stopped' &&
              peer.address.length === address.length &&
              peer.address.join('.') !== key &&
              !(left === 0 && (peer.seeder || peer.paused)),
          )
          assert.deepEqual(texts(answer.addresses), texts(expected.map(peer => peer.address)))
          const numbers = tested.scrape(INFOHASH, now)
          const seeders = [...model.values()].filter(({ seeder }) => seeder).length
          assert.deepEqual(numbers, {
            infohash: INFOHASH,
            seeders,
            leechers: model.size - seeders,
            downloads,
          })
        }
        tested.sweep(now + 1000)
        assert.deepEqual(tested.counts(), { torrents: 0, seeders: 0, leechers: 0 })
      }),
      { numRuns: 300 },
    )
  })

  it('are given as many as wanted, none twice, and never more than the cap', () => {
    const tested = register({ maxAddresses: 20 })
    for (let host = 1; host <= 100; host++)
      tested.announce(announce({ address: at(host), left: host % 2 }), 0)
    for (const [numWant, given] of [
      [0, 0],
      [7, 7],
      [20, 20],
      [10_000, 20],
      [-5, 0],
    ] as const) {
      const { addresses } = tested.announce(announce({ numWant }), 0)
      assert.equal(addresses.length, given)
      assert.equal(new Set(texts(addresses)).size, given)
    }
  })

  it('are counted, and answered, beyond the caps, but not kept', () => {
    const tested = register({ maxPeersPerTorrent: 3, maxPeersPerAddress: 2 })
    for (let port = 1; port <= 5; port++) tested.announce(announce({ address: at(1, port) }), 0)
    assert.equal(tested.counts().leechers, 2)
    tested.announce(announce({ address: at(2) }), 0)
    const late = tested.announce(announce({ address: at(3) }), 0)
    assert.deepEqual([tested.counts().leechers, late.addresses.length], [3, 3])
    // Who is known already is renewed, full or not.
    tested.announce(announce({ address: at(2), left: 0, event: 'completed' }), 500)
    assert.deepEqual(tested.scrape(INFOHASH, 1200), {
      infohash: INFOHASH,
      seeders: 1,
      leechers: 0,
      downloads: 1,
    })
  })

  it('count as one household when they are of one /64', () => {
    const tested = register({ maxPeersPerAddress: 2 })
    for (let host = 1; host <= 4; host++) tested.announce(announce({ address: at6(1, host) }), 0)
    tested.announce(announce({ address: at6(2, 1) }), 0)
    assert.equal(tested.counts().leechers, 3)
  })

  it('of torrents that others share are not driven out by those of torrents of one', () => {
    const tested = register({ maxTorrents: 10 })
    for (let host = 1; host <= 5; host++) tested.announce(announce({ address: at(host) }), 0)
    for (let index = 0; index < 500; index++) {
      const infohash = index.toString(16).padStart(40, '0')
      tested.announce(announce({ infohash, address: at(200) }), 1)
    }
    assert.equal(tested.counts().torrents, 10)
    assert.equal(tested.scrape(INFOHASH, 1)?.leechers, 5)
  })

  it('are forgotten with a torrent that is served no more', () => {
    const tested = register()
    tested.announce(announce(), 0)
    tested.announce(announce({ infohash: 'bb'.repeat(20) }), 0)
    tested.keepOnly(infohash => infohash !== INFOHASH)
    assert.deepEqual([tested.counts().torrents, tested.scrape(INFOHASH, 0)], [1, undefined])
  })
})

/** Whole networks of nodes on a virtual clock. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { WalkResult } from '../../../../src/torrent/discovery/dht/walk.js'
import { compareDistance, isSecureId } from '../../../../src/torrent/discovery/dht/node-id.js'
import type { HostPort } from '../../../../src/torrent/metainfo/addresses.js'
import { bytesOf, VirtualNetwork, type Host, type VirtualOptions } from './virtual-network.js'

interface Found {
  readonly peers: HostPort[]
  /** ms until the first peer. */
  firstMs: number | undefined
  result: WalkResult | undefined
  /** ms until the walk was over. */
  ms: number | undefined
}

function grown(options: VirtualOptions, count: number): VirtualNetwork {
  const network = new VirtualNetwork(options)
  const first = network.add()
  first.node.bootstrap([], 0)
  network.arm(first)
  for (let index = 1; index < count; index++) {
    const host = network.add()
    network.at(index * 40, () => {
      host.node.bootstrap([first.address], network.now)
      network.arm(host)
    })
  }
  network.run(count * 40 + 60_000)
  return network
}

function lookUp(network: VirtualNetwork, host: Host, infohash: Uint8Array): Found {
  const found: Found = { peers: [], firstMs: undefined, result: undefined, ms: undefined }
  const begun = network.now
  host.node.walk(
    {
      method: 'get_peers',
      target: infohash,
      parallel: 8,
      onPeers: peers => {
        found.firstMs ??= network.now - begun
        found.peers.push(...peers)
      },
      onDone: result => {
        found.result = result
        found.ms = network.now - begun
      },
    },
    network.now,
  )
  network.arm(host)
  return found
}

function nearest(network: VirtualNetwork, target: Uint8Array, count: number): Host[] {
  return network.hosts
    .filter(({ alive }) => alive)
    .sort((a, b) => compareDistance(target, a.node.id, b.node.id))
    .slice(0, count)
}

/** How many nodes each must know, and which part of those that are nearest an announce must reach. */
for (const [name, seed, lost, count, known, nearestPart] of [
  ['a clean network', 1, 0, 500, 10, 0.9],
  ['a network that loses a tenth of all datagrams', 2, 0.1, 150, 10, 0.7],
] as const) {
  describe(`${count} nodes of ${name}`, () => {
    const network = grown({ seed, lost }, count)
    const random = bytesOf(network.chance)

    it('all know others, and all took ids that fit their addresses', () => {
      for (const { node, address } of network.hosts) {
        assert.ok(node.table.size >= known, `${address.host} knows ${node.table.size}`)
        assert.equal(node.seenAs, address.host)
        assert.ok(isSecureId(node.id, address.host), address.host)
      }
    })

    it('find each other’s announces, from wherever they look', () => {
      let queries = 0
      for (let round = 0; round < 20; round++) {
        const infohash = random(20)
        const announcer = network.hosts[Math.floor(network.chance() * count)]!
        const first = lookUp(network, announcer, infohash)
        network.pass(10_000)
        assert.ok(first.result !== undefined && first.result.announceable.length === 8)
        assert.deepEqual(first.peers, [])
        announcer.node.announce(infohash, 7777, first.result.announceable, network.now)
        network.arm(announcer)
        network.pass(5_000)

        const seeker = network.hosts[Math.floor(network.chance() * count)]!
        const second = lookUp(network, seeker, infohash)
        network.pass(10_000)
        assert.deepEqual(second.peers, [{ host: announcer.address.host, port: 7777 }], `round ${round}`)
        assert.ok(second.firstMs! <= second.ms!)
        assert.ok(second.firstMs! < 3000, `first peer after ${second.firstMs} ms`)
        queries += second.result!.queries
      }
      assert.ok(queries / 20 < 60, `${queries / 20} queries a lookup`)
    })

    it('announce to those that are nearest indeed', () => {
      let right = 0
      for (let round = 0; round < 20; round++) {
        const infohash = random(20)
        const found = lookUp(network, network.hosts[round * 7]!, infohash)
        network.pass(10_000)
        const real = new Set(nearest(network, infohash, 8).map(({ address }) => address.host))
        right += found.result!.announceable.filter(({ contact }) => real.has(contact.host)).length
      }
      assert.ok(right >= 20 * 8 * nearestPart, `${right} of ${20 * 8}`)
    })

    // Hours of hundreds of nodes take a while: the small network will do.
    if (count > 200) return

    it('still find when a third of them have gone without a word', () => {
      const infohash = random(20)
      const announcer = network.hosts[count - 1]!
      const first = lookUp(network, announcer, infohash)
      network.pass(10_000)
      announcer.node.announce(infohash, 7777, first.result!.announceable, network.now)
      network.arm(announcer)
      network.pass(5_000)
      // Not so many of those that hold the announce that none is left: that would prove nothing.
      const holders = new Set(first.result!.announceable.slice(0, 4).map(({ contact }) => contact.host))
      for (let index = 1; index < count - 1; index += 3) {
        if (!holders.has(network.hosts[index]!.address.host)) network.hosts[index]!.alive = false
      }
      for (let index = 3; index < count - 1; index += 30) {
        if (!network.hosts[index]!.alive) continue
        const second = lookUp(network, network.hosts[index]!, infohash)
        network.pass(20_000)
        assert.equal(second.peers.length, 1, `host ${index}`)
        assert.ok(second.firstMs! < 6000, `first peer after ${second.firstMs} ms`)
      }
    })

    it('say little when nobody wants anything, and forget the dead', () => {
      network.pass(20 * 60_000)
      const before = network.hosts.reduce((sum, { sent }) => sum + sent, 0)
      network.pass(20 * 60_000)
      const alive = network.hosts.filter(host => host.alive)
      const datagrams = network.hosts.reduce((sum, { sent }) => sum + sent, 0) - before
      const perMinute = datagrams / alive.length / 20
      assert.ok(perMinute < 60, `${perMinute} datagrams a minute`)
      const dead = new Set(network.hosts.filter(host => !host.alive).map(({ address }) => address.host))
      let kept = 0
      let all = 0
      for (const { node } of alive) {
        for (const { host } of node.table.nodes()) {
          all++
          if (dead.has(host)) kept++
        }
      }
      assert.ok(kept / all < 0.1, `${kept} dead of ${all}`)
    })
  })
}

describe('a node', () => {
  it('whose table was saved finds peers without any router', () => {
    const network = grown({ seed: 3 }, 100)
    const old = network.hosts[50]!
    const infohash = bytesOf(network.chance)(20)
    const announcer = network.hosts[7]!
    const first = lookUp(network, announcer, infohash)
    network.pass(10_000)
    announcer.node.announce(infohash, 1, first.result!.announceable, network.now)
    network.arm(announcer)
    network.pass(5000)
    const contacts = [...old.node.table.nodes()]
    const again = network.add({ host: '99.1.2.3', port: 6881 }, old.node.id)
    again.node.restore(contacts, network.now)
    again.node.bootstrap([], network.now)
    const second = lookUp(network, again, infohash)
    network.pass(5000)
    assert.equal(second.peers.length, 1)
  })

  it('that knows nobody is done at once, and begins when somebody turns up', () => {
    const network = new VirtualNetwork({ seed: 4 })
    const [a, b] = [network.add(), network.add()]
    for (const host of [a, b]) {
      host.node.bootstrap([], 0)
      network.arm(host)
    }
    const found = lookUp(network, a, new Uint8Array(20))
    assert.equal(found.result?.queries, 0)
    a.node.heardOf(b.address, network.now)
    network.arm(a)
    network.pass(20_000)
    assert.equal(a.node.table.size, 1)
    assert.equal(b.node.table.size, 1)
  })
})

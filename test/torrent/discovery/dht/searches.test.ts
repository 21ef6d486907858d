/** Which torrents are looked up when: need before age, caps over all of them, and silence once stopped. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { SearchNode, Need } from '../../../../src/torrent/discovery/dht/searches.js'
import { Searches } from '../../../../src/torrent/discovery/dht/searches.js'
import { bytesOf, VirtualNetwork, type Host } from './virtual-network.js'

interface Scene {
  readonly network: VirtualNetwork
  readonly host: Host
  readonly searches: Searches
  run(ms: number): void
}

function scene(seed: number): Scene {
  const network = new VirtualNetwork({ seed, delay: [1, 20] })
  for (let index = 0; index < 30; index++) {
    const host = network.add()
    host.node.bootstrap(index === 0 ? [] : [network.hosts[0]!.address], 0)
    network.arm(host)
  }
  network.pass(60_000)
  const host = network.hosts[29]!
  const nodes: readonly SearchNode[] = [host.node]
  const searches = new Searches(
    { nodes: () => nodes, chance: network.chance, changed: () => {} },
    network.now,
  )
  const run = (ms: number): void => {
    for (const end = network.now + ms; network.now < end;) {
      searches.tick(network.now)
      network.arm(host)
      network.pass(50)
    }
  }
  return { network, host, searches, run }
}

describe('searches', () => {
  it('announce at once, and again every quarter of an hour while nobody needs peers', () => {
    const { network, searches, run } = scene(1)
    const infohash = bytesOf(network.chance)(20)
    const search = searches.add({ infohash, port: () => 4711, need: () => 0, onPeers: () => {} }, network.now)
    run(5000)
    assert.equal(search.status(network.now).lookups, 1)
    assert.equal(search.status(network.now).announcedTo, 8)
    const holders = network.hosts.filter(({ node }) => node.known(infohash, network.now).length > 0)
    assert.equal(holders.length, 8)
    run(12 * 60_000)
    assert.equal(search.status(network.now).lookups, 1)
    run(6 * 60_000)
    assert.equal(search.status(network.now).lookups, 2)
  })

  it('look again sooner and sooner less often while somebody waits', () => {
    const { network, searches, run } = scene(2)
    const search = searches.add(
      { infohash: bytesOf(network.chance)(20), port: () => 1, need: () => 2, onPeers: () => {} },
      network.now,
    )
    run(20_000)
    const early = search.status(network.now).lookups
    assert.ok(early >= 2 && early <= 4, `${early}`)
    run(10 * 60_000)
    const late = search.status(network.now).lookups
    assert.ok(late >= 7 && late <= 14, `${late}`)
  })

  it('put who waits before who does not, and new ones before old ones', () => {
    const { network, host, searches } = scene(3)
    const order: number[] = []
    const needs: Need[] = [0, 1, 0, 2, 1]
    const walk = host.node.walk.bind(host.node)
    const targets = needs.map((need, index) => {
      const infohash = new Uint8Array(20).fill(index + 1)
      searches.add({ infohash, port: () => 0, need: () => need, onPeers: () => {} }, network.now)
      return infohash
    })
    host.node.walk = (options, now) => {
      order.push(targets.indexOf(options.target as Uint8Array<ArrayBuffer>))
      return walk(options, now)
    }
    searches.tick(network.now)
    assert.deepEqual(order, [3, 1, 4, 0, 2])
  })

  it('of ten thousand torrents do not flood', () => {
    const { network, host, searches, run } = scene(4)
    const random = bytesOf(network.chance)
    let needed = 0
    for (let index = 0; index < 10_000; index++) {
      searches.add({ infohash: random(20), port: () => 1, need: () => 0, onPeers: () => {} }, network.now)
    }
    run(1000)
    const search = searches.add(
      { infohash: random(20), port: () => 1, need: () => 2, onPeers: () => needed++ },
      network.now,
    )
    const before = host.sent
    run(20_000)
    const perSecond = (host.sent - before) / 20
    assert.ok(perSecond < 300, `${perSecond} datagrams a second`)
    assert.ok(search.status(network.now).lookups >= 1, 'who waits is served all the same')
    assert.ok(searches.running <= 28)
  })

  it('send nothing for a torrent that was stopped, in the middle of a lookup or before its announce', () => {
    for (const after of [0, 5, 20, 60, 200]) {
      const { network, host, searches } = scene(5)
      const infohash = bytesOf(network.chance)(20)
      const search = searches.add(
        { infohash, port: () => 1, need: () => 2, onPeers: () => assert.fail('told of peers') },
        network.now,
      )
      searches.tick(network.now)
      network.arm(host)
      network.pass(after)
      let late = 0
      network.onDatagram = (bytes, from) => {
        if (from === host.address && Buffer.from(bytes).includes(Buffer.from(infohash))) late++
      }
      search.stop()
      for (let turn = 0; turn < 100; turn++) {
        searches.tick(network.now)
        network.arm(host)
        network.pass(100)
      }
      assert.equal(late, 0, `stopped after ${after} ms`)
      assert.equal(searches.running, 0)
      assert.equal(searches.size, 0)
    }
  })
})

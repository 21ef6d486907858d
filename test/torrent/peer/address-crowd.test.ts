import assert from 'node:assert/strict'
import { test } from 'node:test'

import { AddressCrowd } from '../../../src/torrent/peer/address-crowd.js'

/** How many of these hosts find room, in order. */
function admitted(hosts: readonly string[], maxPeers = 50): number {
  const crowd = new AddressCrowd(maxPeers)
  let count = 0
  for (const host of hosts) {
    if (!crowd.hasRoomFor({ host, port: 1 })) continue
    crowd.add({ host, port: 1 })
    count++
  }
  return count
}

const times = (count: number, host: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => host(i))

for (const [what, hosts, maxPeers, expected] of [
  ['one IPv4 host', times(50, () => '203.0.113.7'), 50, 5],
  ['one IPv4 host of a large swarm', times(500, () => '203.0.113.7'), 500, 50],
  ['one /24', times(50, i => `203.0.113.${i}`), 50, 20],
  ['many /24s', times(50, i => `203.0.${i}.7`), 50, 50],
  ['one IPv6 /64', times(50, i => `2001:db8:1:2::${i}`), 50, 5],
  ['one IPv6 /48', times(50, i => `2001:db8:1:${i}::1`), 50, 20],
  ['many IPv6 networks', times(50, i => `2001:db8:${i}::1`), 50, 50],
  ['loopback', times(50, () => '127.0.0.1'), 50, 50],
  ['the local network', times(50, () => '192.168.1.1'), 50, 50],
  ['names', times(50, () => 'peer.example'), 50, 50],
] as const) {
  test(`of ${hosts.length} peers of ${what}, ${expected} find room`, () => {
    assert.equal(admitted(hosts, maxPeers), expected)
  })
}

test('who left makes room', () => {
  const crowd = new AddressCrowd(50)
  const peer = { host: '203.0.113.7', port: 1 }
  for (let i = 0; i < 5; i++) crowd.add(peer)
  assert.equal(crowd.hasRoomFor(peer), false)
  crowd.remove(peer)
  assert.equal(crowd.hasRoomFor(peer), true)
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Pex } from '../../../src/torrent/extensions/pex.js'
import type { HostPort } from '../../../src/torrent/peer/address.js'
import { decodePexMessage, encodePexMessage, PexFlag } from '../../../src/torrent/wire/pex-message.js'
import { peerDouble, type PeerDouble } from './peer-double.js'

const PEX = ['ut_pex']

function pexAmong(doubles: PeerDouble[], allowed = (): boolean => true): { pex: Pex; found: HostPort[] } {
  const found: HostPort[] = []
  const pex = new Pex({
    allowed,
    peers: () => doubles.map(({ peer }) => peer),
    found: addresses => found.push(...addresses),
  })
  return { pex, found }
}

const hosts = (bytes: Uint8Array): string[] =>
  decodePexMessage(bytes).added.map(({ address }) => address.host)
const added = (...list: string[]): Uint8Array =>
  encodePexMessage({ added: list.map(host => ({ address: { host, port: 5 }, flags: 0 })), dropped: [] })

describe('peer exchange', () => {
  test('tells at once after the handshake, then of changes, once a minute', () => {
    const [a, b, c] = [
      peerDouble('5.0.0.1', 1, PEX),
      peerDouble('5.0.0.2', 2, []),
      peerDouble('2a00::3', 3, []),
    ]
    const all = [a, b]
    const { pex } = pexAmong(all)
    pex.greeted(a.peer)
    assert.deepEqual(hosts(a.sent[0]!), ['5.0.0.2'], 'not of itself')
    const began = performance.now()
    all.push(c)
    pex.tick(began + 30_000)
    assert.equal(a.sent.length, 1)
    all.splice(1, 1)
    pex.tick(began + 61_000)
    assert.deepEqual(hosts(a.sent[1]!), ['2a00::3'])
    assert.deepEqual(decodePexMessage(a.sent[1]!).dropped, [{ host: '5.0.0.2', port: 2 }])
    pex.tick(began + 200_000)
    assert.equal(a.sent.length, 2, 'nothing changed')
    assert.equal(c.sent.length, 0, 'it does not take it')
  })

  test('tells where a peer listens, not where it called from, and of none of whom that is unknown', () => {
    const a = peerDouble('5.0.0.1', 1, PEX)
    const told = peerDouble('5.0.0.2', 50_000, [], { listenPort: 7000 }, true)
    const unknown = peerDouble('5.0.0.3', 50_000, [], {}, true)
    const { pex } = pexAmong([a, told, unknown])
    pex.greeted(a.peer)
    assert.deepEqual(
      decodePexMessage(a.sent[0]!).added.map(({ address }) => address),
      [{ host: '5.0.0.2', port: 7000 }],
    )
  })

  test('tells what it knows of a peer by flags', () => {
    const a = peerDouble('5.0.0.1', 1, PEX)
    const b = peerDouble('5.0.0.2', 2, ['ut_holepunch'], { uploadOnly: true })
    const { pex } = pexAmong([a, b])
    pex.greeted(a.peer)
    const flags = PexFlag.uploadOnly | PexFlag.holepunch | PexFlag.outgoing
    assert.equal(decodePexMessage(a.sent[0]!).added[0]!.flags, flags)
  })

  test('tells of fifty at most at a time, and of the rest a minute later', () => {
    const a = peerDouble('5.0.0.1', 1, PEX)
    const others = Array.from({ length: 70 }, (_, i) => peerDouble(`5.0.1.${i}`, 2, []))
    const { pex } = pexAmong([a, ...others])
    pex.greeted(a.peer)
    pex.tick(performance.now() + 61_000)
    assert.deepEqual(
      a.sent.map(message => hosts(message).length),
      [50, 20],
    )
  })

  test('tells no stranger of our own network, and hears nothing of it from him', () => {
    const stranger = peerDouble('5.0.0.1', 1, PEX)
    const neighbour = peerDouble('192.168.1.2', 2, PEX)
    const { pex, found } = pexAmong([stranger, neighbour])
    pex.greeted(stranger.peer)
    assert.equal(stranger.sent.length, 0)
    pex.greeted(neighbour.peer)
    assert.deepEqual(hosts(neighbour.sent[0]!), ['5.0.0.1'])
    pex.receive(stranger.peer, added('192.168.1.1', '127.0.0.1', 'fe80::1', '8.8.8.8'))
    assert.deepEqual(found, [{ host: '8.8.8.8', port: 5 }])
    pex.receive(neighbour.peer, added('192.168.1.9', '127.0.0.1'))
    assert.deepEqual(found.slice(1), [{ host: '192.168.1.9', port: 5 }])
  })

  test('a message that comes too soon after the last is ignored', () => {
    const a = peerDouble('5.0.0.1', 1, PEX)
    const { pex, found } = pexAmong([a])
    pex.receive(a.peer, added('5.0.0.7'))
    for (let i = 0; i < 100; i++) pex.receive(a.peer, added(`5.0.2.${i}`))
    assert.deepEqual(found, [{ host: '5.0.0.7', port: 5 }])
    assert.equal(pex.counts.ignored, 100)
  })

  test('says nothing, and offers nothing, where it may not', () => {
    const a = peerDouble('5.0.0.1', 1, PEX)
    const b = peerDouble('5.0.0.2', 1, PEX)
    let allowed = false
    const { pex } = pexAmong([a, b], () => allowed)
    pex.greeted(a.peer)
    pex.tick(performance.now() + 61_000)
    assert.equal(pex.offered(), false)
    assert.equal(a.sent.length, 0)
    allowed = true
    pex.tick(performance.now())
    assert.deepEqual(hosts(a.sent[0]!), ['5.0.0.2'])
  })
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Holepunch } from '../../../src/torrent/extensions/holepunch.js'
import { formatAddress, type HostPort } from '../../../src/torrent/peer/address.js'
import {
  decodeHolepunch,
  encodeHolepunch,
  type HolepunchMessage,
} from '../../../src/torrent/wire/holepunch-message.js'
import { peerDouble, type PeerDouble } from './peer-double.js'

const PUNCH = ['ut_holepunch']
const TARGET = { host: '5.0.0.9', port: 9 }
const OWN = { host: '5.9.9.9', port: 1 }

class Bench {
  readonly calls: string[] = []
  readonly punch: Holepunch

  constructor(doubles: readonly PeerDouble[], tellers: readonly PeerDouble[] = []) {
    this.punch = new Holepunch({
      peers: () => doubles.map(({ peer }) => peer),
      tellersOf: () => tellers.map(({ peer }) => peer),
      connect: address => this.calls.push(formatAddress(address)),
      isOwn: address => formatAddress(address) === formatAddress(OWN),
    })
  }

  hear({ peer }: PeerDouble, type: 'rendezvous' | 'connect', address: HostPort): void {
    this.punch.receive(peer, encodeHolepunch({ type, address })!)
  }
}

const said = ({ sent }: PeerDouble): (HolepunchMessage | undefined)[] => sent.map(decodeHolepunch)

describe('who cannot reach an address', () => {
  test('asks a peer that told of it, once in a while', () => {
    const deaf = peerDouble('5.0.0.2', 2, [])
    const relay = peerDouble('5.0.0.1', 1, PUNCH)
    const { punch } = new Bench([deaf, relay], [deaf, relay])
    punch.unreachable(TARGET)
    punch.unreachable(TARGET)
    assert.deepEqual(said(relay), [{ type: 'rendezvous', address: TARGET }])
    assert.equal(deaf.sent.length, 0)
  })

  test('calls it when the relay says so', () => {
    const relay = peerDouble('5.0.0.1', 1, PUNCH)
    const bench = new Bench([relay], [relay])
    bench.punch.unreachable(TARGET)
    bench.hear(relay, 'connect', TARGET)
    assert.deepEqual(bench.calls, ['5.0.0.9:9'])
  })

  test('asks nobody when nobody told of it', () => {
    const relay = peerDouble('5.0.0.1', 1, PUNCH)
    new Bench([relay]).punch.unreachable(TARGET)
    assert.equal(relay.sent.length, 0)
  })
})

describe('who is asked to help', () => {
  const asker = (): PeerDouble => peerDouble('5.0.0.1', 40_000, PUNCH, { listenPort: 7 }, true)

  test('tells both of each other, where they listen', () => {
    const [from, target] = [asker(), peerDouble(TARGET.host, TARGET.port, PUNCH)]
    new Bench([from, target]).hear(from, 'rendezvous', TARGET)
    assert.deepEqual(said(from), [{ type: 'connect', address: TARGET }])
    assert.deepEqual(said(target), [{ type: 'connect', address: { host: '5.0.0.1', port: 7 } }])
  })

  const refusals: [string, HostPort, (from: PeerDouble) => PeerDouble[], number][] = [
    ['port 0', { host: '5.0.0.9', port: 0 }, from => [from], 1],
    ['a peer we are not connected to', TARGET, from => [from], 2],
    ['a peer that does not take part', TARGET, from => [from, peerDouble(TARGET.host, TARGET.port, [])], 3],
    ['ourselves', OWN, from => [from], 4],
    ['itself', { host: '5.0.0.1', port: 7 }, from => [from], 4],
    [
      'a peer outside, and it is of our own network',
      TARGET,
      () => [peerDouble(TARGET.host, TARGET.port, PUNCH)],
      1,
    ],
  ]
  for (const [what, address, peers, code] of refusals) {
    test(`refuses ${what} with error ${code}`, () => {
      const from = what.includes('network') ? peerDouble('192.168.0.2', 7, PUNCH) : asker()
      const others = peers(from)
      new Bench([from, ...others]).hear(from, 'rendezvous', address)
      assert.deepEqual(said(from), [{ type: 'error', address, code }])
      for (const other of others) if (other !== from) assert.equal(other.sent.length, 0)
    })
  }

  test('helps one peer ten times a minute', () => {
    const [from, target] = [asker(), peerDouble(TARGET.host, TARGET.port, PUNCH)]
    const bench = new Bench([from, target])
    for (let i = 0; i < 50; i++) bench.hear(from, 'rendezvous', TARGET)
    assert.equal(target.sent.length, 10)
  })
})

describe('who is told to connect', () => {
  test('does so at once, and ten times a minute for one relay', () => {
    const relay = peerDouble('5.0.0.1', 1, PUNCH)
    const bench = new Bench([relay])
    for (let i = 0; i < 50; i++) bench.hear(relay, 'connect', { host: '5.0.1.1', port: 1000 + i })
    assert.equal(bench.calls.length, 10)
    assert.equal(bench.calls[0], '5.0.1.1:1000')
  })

  test('does not call itself, who is connected, nor a network nearer than the relay', () => {
    const [relay, other] = [peerDouble('5.0.0.1', 1, PUNCH), peerDouble('5.0.0.2', 2, PUNCH)]
    const bench = new Bench([relay, other])
    for (const host of ['192.168.0.1', '127.0.0.1', '::1']) bench.hear(relay, 'connect', { host, port: 22 })
    bench.hear(relay, 'connect', { host: '5.0.0.2', port: 2 })
    bench.hear(relay, 'connect', OWN)
    bench.hear(relay, 'connect', { host: '5.0.0.3', port: 0 })
    assert.deepEqual(bench.calls, [])
  })
})

/** What a node keeps of others: its table, announced peers, tokens, votes; and that all of it is capped. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Bucket, FlowLimit } from '../../../../src/torrent/discovery/dht/flow-limit.js'
import { isSecureId, secureId } from '../../../../src/torrent/discovery/dht/node-id.js'
import { OwnAddress } from '../../../../src/torrent/discovery/dht/own-address.js'
import { PeerStore } from '../../../../src/torrent/discovery/dht/peer-store.js'
import { RoutingTable } from '../../../../src/torrent/discovery/dht/routing-table.js'
import { Tokens } from '../../../../src/torrent/discovery/dht/tokens.js'
import { bytesOfHost } from '../../../../src/torrent/net/ip-bytes.js'
import { bytesOf, chanceOf } from './virtual-network.js'

const random = bytesOf(chanceOf(7))
const OWN = new Uint8Array(20)

/** An id in the bucket of `bits` shared bits. */
function idAt(bits: number): Uint8Array {
  const id = random(20)
  for (let bit = 0; bit <= bits; bit++) {
    const mask = 0x80 >>> (bit & 7)
    id[bit >>> 3] = bit === bits ? id[bit >>> 3]! | mask : id[bit >>> 3]! & ~mask
  }
  return id
}

describe('the table', () => {
  it('keeps so many of a bucket, the others as spares that take the place of the dead', () => {
    const table = new RoutingTable(OWN)
    const contacts = Array.from({ length: 12 }, (_, index) => {
      return { id: idAt(10), host: `10.0.0.${index + 1}`, port: 1 }
    })
    assert.deepEqual(
      contacts.map(contact => table.answered(contact, 0)),
      contacts.map((_, index) => index < 8),
    )
    assert.equal(table.size, 8)
    for (let times = 0; times < 2; times++) table.failed(contacts[0]!)
    assert.equal(table.size, 8)
    const hosts = new Set([...table.nodes()].map(({ host }) => host))
    assert.ok(!hosts.has('10.0.0.1'))
    assert.ok(hosts.has('10.0.0.12'))
  })

  it('keeps one node of an address of the world, and of a /64', () => {
    const table = new RoutingTable(OWN)
    assert.ok(table.answered({ id: idAt(1), host: '8.8.8.8', port: 1 }, 0))
    assert.ok(!table.answered({ id: idAt(2), host: '8.8.8.8', port: 2 }, 0))
    assert.ok(table.answered({ id: idAt(3), host: '2001:db8:0:1::1', port: 1 }, 0))
    assert.ok(!table.answered({ id: idAt(4), host: '2001:db8:0:1::2', port: 1 }, 0))
    assert.ok(table.answered({ id: idAt(5), host: '10.0.0.1', port: 1 }, 0))
    assert.ok(table.answered({ id: idAt(6), host: '10.0.0.1', port: 2 }, 0))
  })

  it('prefers nodes whose ids fit their addresses', () => {
    const host = '9.9.1.1'
    const id = secureId(bytesOfHost(host)!, random(20))
    assert.ok(isSecureId(id, host))
    const table = new RoutingTable(OWN)
    for (let index = 0; index < 80; index++) {
      const other = Uint8Array.from(id)
      other[3] = index
      table.answered({ id: other, host: `11.${index}.1.1`, port: 1 }, 0)
    }
    const full = table.size
    assert.ok(full < 80, 'the bucket is full')
    assert.ok(table.answered({ id, host, port: 1 }, 0), 'it takes the place of another')
    assert.equal(table.size, full)
    assert.equal(table.closest(id, 1)[0]!.host, host)
  })

  it('tells of no node that only an earlier life knew, and begins lookups with it', () => {
    const table = new RoutingTable(OWN)
    const contact = { id: idAt(3), host: '8.8.8.8', port: 1 }
    table.remember(contact, 0)
    assert.deepEqual(table.closest(OWN, 8), [])
    assert.equal(table.closest(OWN, 8, 1).length, 1)
    table.answered(contact, 1)
    assert.equal(table.closest(OWN, 8).length, 1)
  })

  it('drops at once who answers under another id', () => {
    const table = new RoutingTable(OWN)
    const contact = { id: idAt(3), host: '8.8.8.8', port: 1 }
    table.answered(contact, 0)
    table.failed(contact, true)
    assert.equal(table.size, 0)
    assert.ok(table.answered({ ...contact, id: idAt(4) }, 0))
  })
})

describe('the peers announced to us', () => {
  it('are forgotten after a while, and renewed by another announce', () => {
    const store = new PeerStore()
    store.add(OWN, { host: '8.8.8.8', port: 1 }, 0)
    store.add(OWN, { host: '9.9.9.9', port: 1 }, 0)
    store.add(OWN, { host: '8.8.8.8', port: 1 }, 40 * 60_000)
    assert.deepEqual(store.get(OWN, 10, 0, 50 * 60_000), [{ host: '8.8.8.8', port: 1 }])
    store.expire(50 * 60_000)
    assert.equal(store.peers, 1)
    store.expire(100 * 60_000)
    assert.deepEqual([store.peers, store.torrents], [0, 0])
  })

  it('are capped: of a host, of a torrent, and in all', () => {
    const store = new PeerStore()
    for (let port = 1; port <= 100; port++) store.add(OWN, { host: '8.8.8.8', port }, 0)
    assert.equal(store.peers, 8)
    for (let index = 0; index < 1000; index++)
      store.add(OWN, { host: `9.9.${index >> 8}.${index & 255}`, port: 1 }, 0)
    assert.equal(store.peers, 200)
    for (let index = 0; index < 5000; index++) store.add(random(20), { host: '8.8.8.8', port: 1 }, 0)
    assert.ok(store.torrents <= 2000)
  })
})

describe('a token', () => {
  it('is good for its host, for five to ten minutes', () => {
    const tokens = new Tokens(random, 0)
    const token = tokens.of('8.8.8.8', 0)
    assert.ok(tokens.isValid(token, '8.8.8.8', 0))
    assert.ok(!tokens.isValid(token, '8.8.8.9', 0))
    assert.ok(!tokens.isValid(random(8), '8.8.8.8', 0))
    assert.ok(!tokens.isValid(random(3), '8.8.8.8', 0))
    assert.ok(tokens.isValid(token, '8.8.8.8', 6 * 60_000))
    assert.ok(!tokens.isValid(token, '8.8.8.8', 12 * 60_000))
  })
})

describe('our own address', () => {
  it('is what most of several hosts see, and no single voice changes it', () => {
    const own = new OwnAddress(0)
    for (let index = 0; index < 50; index++) assert.equal(own.vote('6.6.6.6', '66.66.66.66'), false)
    for (let index = 1; index <= 4; index++) assert.equal(own.vote(`5.5.5.${index}`, '1.2.3.4'), false)
    assert.equal(own.vote('5.5.5.5', '1.2.3.4'), true)
    assert.equal(own.seenAs, '1.2.3.4')
    for (let index = 0; index < 50; index++) own.vote('6.6.6.6', '66.66.66.66')
    assert.equal(own.seenAs, '1.2.3.4')
  })

  it('seems out of reach when many were spoken to and no stranger ever came', () => {
    const own = new OwnAddress(0)
    for (let index = 0; index < 150; index++) own.spokeTo({ host: `7.7.7.${index}`, port: 1 })
    assert.equal(own.isUnreachable(60_000), false)
    own.askedBy({ host: '7.7.7.1', port: 1 })
    assert.equal(own.isUnreachable(10 * 60_000), true)
    own.askedBy({ host: '6.6.6.6', port: 1 })
    assert.equal(own.isUnreachable(10 * 60_000), false)
  })
})

describe('the flow of strangers', () => {
  it('is cut per host and in all, and forgets hosts', () => {
    const flow = new FlowLimit(0)
    let admitted = 0
    for (let index = 0; index < 1000; index++) if (flow.admits('8.8.8.8', 0)) admitted++
    assert.ok(admitted >= 50 && admitted <= 51)
    assert.ok(flow.admits('8.8.8.8', 1000))
    for (let index = 0; index < 20_000; index++)
      if (flow.admits(`9.9.${index >> 8}.${index & 255}`, 1000)) admitted++
    assert.ok(admitted < 2200, `${admitted}`)
  })

  it('of a bucket is what was promised', () => {
    const bucket = new Bucket({ burst: 10, perSecond: 5 }, 0)
    bucket.spend(20, 0)
    assert.equal(bucket.take(1, 1000), false)
    assert.equal(bucket.take(1, 2200), true)
    assert.equal(bucket.isFull(100_000), true)
  })
})

/** Crafted and mutated datagrams against a node that is busy: it must neither throw, nor grow, nor answer more than it was asked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { DhtNode } from '../../../../src/torrent/discovery/dht/dht-node.js'
import { encodeQuery, encodeReply, MAX_REPLY } from '../../../../src/torrent/discovery/dht/krpc.js'
import type { HostPort } from '../../../../src/torrent/metainfo/addresses.js'
import { bytesOf, chanceOf } from './virtual-network.js'

/** Datagrams of one run; a million take some minutes. */
const COUNT = Number(process.env['TORRENTFS_FUZZ'] ?? 10_000)
const SEED = Number(process.env['TORRENTFS_SEED'] ?? Date.now() % 2 ** 31)

test(`a node takes ${COUNT} hostile datagrams, seed ${SEED}`, () => {
  const chance = chanceOf(SEED)
  const random = bytesOf(chance)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(chance() * of.length)]!
  let now = 0
  /** Queries of the node: where they went, and under which number. */
  const asked: { to: HostPort; bytes: Uint8Array }[] = []
  let sent = 0
  const node = new DhtNode(
    {
      family: 4,
      random,
      send: (bytes, to) => {
        sent++
        assert.ok(bytes.length <= MAX_REPLY)
        asked.push({ to, bytes })
        if (asked.length > 64) asked.shift()
      },
    },
    now,
  )
  const address = (): HostPort => ({
    host:
      chance() < 0.5
        ? `11.0.${Math.floor(chance() * 4)}.${Math.floor(chance() * 256)}`
        : `${1 + Math.floor(chance() * 250)}.2.3.4`,
    port: Math.floor(chance() * 65536),
  })
  const contacts = () =>
    Array.from({ length: Math.floor(chance() * 40) }, () => ({ id: random(20), ...address() }))
  const infohashes = Array.from({ length: 50 }, () => random(20))
  const queryOf = (): Uint8Array =>
    encodeQuery(
      {
        method: pick(['ping', 'find_node', 'get_peers', 'announce_peer'] as const),
        target: pick(infohashes),
        token: random(8),
        port: Math.floor(chance() * 65536),
        wants: [4, 6],
      },
      { transaction: random(1 + Math.floor(chance() * 6)), id: random(20), readOnly: chance() < 0.2 },
    )
  /** A reply to what the node has asked, from where it asked: all but its content is right. */
  const replyOf = (): { bytes: Uint8Array; from: HostPort } => {
    const question = pick(asked)
    const at = Buffer.from(question.bytes).lastIndexOf('1:t4:')
    const transaction = at < 0 ? random(4) : question.bytes.subarray(at + 5, at + 9)
    const reply = {
      id: random(20),
      contacts: contacts(),
      contacts6: [],
      peers: Array.from({ length: Math.floor(chance() * 150) }, address),
      token: random(Math.floor(chance() * 80)),
    }
    return { bytes: encodeReply(reply, transaction, address()), from: question.to }
  }
  const mutated = (bytes: Uint8Array): Uint8Array => {
    let out = Buffer.from(bytes)
    for (let times = Math.floor(chance() * 6); times > 0; times--) {
      const where = Math.floor(chance() * out.length)
      switch (Math.floor(chance() * 5)) {
        case 0:
          out[where] = Math.floor(chance() * 256)
          break
        case 1:
          out = Buffer.concat([
            out.subarray(0, where),
            random(Math.floor(chance() * 20)),
            out.subarray(where),
          ])
          break
        case 2:
          out = Buffer.concat([out.subarray(0, where), out.subarray(where + Math.floor(chance() * 20))])
          break
        case 3:
          out = Buffer.concat([
            out.subarray(0, where),
            Buffer.from(pick(['i7e', 'le', 'de', '0:', '9999999999:', 'l', 'd', 'e', '-1:'])),
            out.subarray(where),
          ])
          break
        default:
          out = Buffer.from(out.subarray(0, where))
      }
    }
    return out
  }
  node.bootstrap([{ host: '11.0.0.1', port: 6881 }], now)
  for (let index = 0; index < COUNT; index++) {
    now += chance() * 20
    let bytes: Uint8Array
    let from: HostPort = address()
    const kind = chance()
    if (kind < 0.3) bytes = random(Math.floor(chance() * 200))
    else if (kind < 0.65 || asked.length === 0) bytes = queryOf()
    else ({ bytes, from } = replyOf())
    if (chance() < 0.6) bytes = mutated(bytes)
    const before = sent
    node.receive(bytes, from, now)
    // One answer, one ping to a new node, and the queries a walk has room for.
    assert.ok(sent - before <= 32, `${sent - before} datagrams for one`)
    if (index % 20 === 0) node.tick(now)
    if (index % 200 === 0) {
      node.walk({ method: 'get_peers', target: pick(infohashes), parallel: 8 }, now)
    }
  }
  assert.ok(node.table.size <= 64 + 32 + 16 + 157 * 8)
  assert.ok(node.asking <= 1024)
  assert.ok(node.peers.peers <= 40_000 && node.peers.torrents <= 2000)
})

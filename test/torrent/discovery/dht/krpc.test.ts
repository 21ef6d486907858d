import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import type { Contact } from '../../../../src/torrent/discovery/dht/contact.js'
import {
  decodeKrpc,
  encodeFailure,
  encodeQuery,
  encodeReply,
  MAX_REPLY,
  type KrpcQuery,
  type KrpcReply,
} from '../../../../src/torrent/discovery/dht/krpc.js'

const ID = Buffer.from('abcdefghij0123456789')
const TARGET = Buffer.from('mnopqrstuvwxyz123456')
const T = Buffer.from('aa')

function latin1(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

test('the queries of BEP 5 are read', () => {
  const query = (text: string): KrpcQuery => {
    const message = decodeKrpc(latin1(text))
    assert.equal(message?.type, 'query')
    return message
  }
  const ping = query('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe')
  assert.equal(ping.method, 'ping')
  assert.deepEqual(Buffer.from(ping.id), ID)
  assert.deepEqual(Buffer.from(ping.transaction), T)
  const find = query(
    'd1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe',
  )
  assert.deepEqual(Buffer.from(find.target!), TARGET)
  assert.deepEqual(find.wants, [4, 6])
  const announce = query(
    'd1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe' +
      '1:q13:announce_peer2:roi1e1:t2:aa1:y1:qe',
  )
  assert.equal(announce.port, 6881)
  assert.ok(announce.impliedPort)
  assert.ok(announce.readOnly)
  assert.equal(Buffer.from(announce.token!).toString(), 'aoeusnth')
})

test('a reply with peers, nodes of both families, a token and our address is read', () => {
  const peer = latin1('\x05\x06\x07\x08\x1a\xe1')
  const node = Buffer.concat([TARGET, peer])
  const node6 = Buffer.concat([
    TARGET,
    Buffer.from('20010db8000000000000000000000007', 'hex'),
    latin1('\x1a\xe1'),
  ])
  const text = (bytes: Uint8Array): string => `${bytes.length}:${Buffer.from(bytes).toString('latin1')}`
  const reply = decodeKrpc(
    latin1(
      `d2:ip${text(peer)}1:rd2:id${text(ID)}5:nodes${text(node)}6:nodes6${text(node6)}5:token4:abcd6:valuesl${text(peer)}` +
        `${text(peer.subarray(1))}i7eee1:t2:aa1:y1:re`,
    ),
  ) as KrpcReply
  assert.equal(reply.type, 'reply')
  assert.equal(reply.seenAs, '5.6.7.8')
  assert.deepEqual(reply.peers, [{ host: '5.6.7.8', port: 6881 }])
  assert.deepEqual(reply.contacts, [{ id: Uint8Array.from(TARGET), host: '5.6.7.8', port: 6881 }])
  assert.deepEqual(reply.contacts6, [{ id: Uint8Array.from(TARGET), host: '2001:db8::7', port: 6881 }])
})

const hostile: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['no dictionary', 'li1ei2ei3ei4ei5ee'],
  ['an integer for the infohash’s owner', 'd1:ad2:idi7e9:info_hashi7ee1:q9:get_peers1:t2:aa1:y1:qe'],
  ['a list that never ends', `d1:a${'l'.repeat(400)}${'e'.repeat(400)}1:q4:ping1:t2:aa1:y1:qe`],
  ['a negative length', 'd1:ad2:id-3:abce1:q4:ping1:t2:aa1:y1:qe'],
  ['a length past the end', 'd1:ad2:id99999999999:abce1:q4:ping1:t2:aa1:y1:qe'],
  ['a short id', 'd1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe'],
  ['no transaction', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:y1:qe'],
  ['a long transaction', `d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t40:${'x'.repeat(40)}1:y1:qe`],
  ['an integer for the arguments', 'd1:ai7e1:q4:ping1:t2:aa1:y1:qe'],
  ['a reply without a body', 'd1:t2:aa1:y1:re'],
  ['bytes behind', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qee'],
]

for (const [what, text] of hostile) {
  test(`${what} is no message`, () => assert.equal(decodeKrpc(latin1(text)), undefined))
}

test('an integer for the infohash is a query without one', () => {
  const query = decodeKrpc(
    latin1('d1:ad2:id20:abcdefghij01234567899:info_hashi7ee1:q9:get_peers1:t2:aa1:y1:qe'),
  )
  assert.equal(query?.type === 'query' ? query.target : 'none', undefined)
})

const bytes20 = fc.uint8Array({ minLength: 20, maxLength: 20 })
const port = fc.integer({ min: 1, max: 65535 })
const host4 = fc
  .tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255), fc.nat(255))
  .map(a => a.join('.'))
const contact: fc.Arbitrary<Contact> = fc
  .tuple(bytes20, host4, port)
  .map(([id, host, at]) => ({ id, host, port: at }))

test('what we ask is read as it was meant', () => {
  fc.assert(
    fc.property(
      bytes20,
      bytes20,
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.boolean(),
      port,
      (id, target, transaction, readOnly, at) => {
        const query = { method: 'announce_peer' as const, target, token: Uint8Array.of(1, 2), port: at }
        const read = decodeKrpc(encodeQuery(query, { transaction, id, readOnly })) as KrpcQuery
        assert.deepEqual(
          { ...read, wants: [] },
          {
            type: 'query',
            method: 'announce_peer',
            transaction,
            id,
            target,
            token: Uint8Array.of(1, 2),
            port: at,
            impliedPort: false,
            wants: [],
            readOnly,
          },
        )
      },
    ),
  )
})

test('what we answer is read as it was meant, and never longer than every network passes', () => {
  const peers = fc.array(
    fc.tuple(host4, port).map(([host, at]) => ({ host, port: at })),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(bytes20, fc.array(contact, { maxLength: 8 }), peers, (id, contacts, given) => {
      const to = { host: '9.8.7.6', port: 1 }
      const reply = { id, contacts, contacts6: [], peers: given, token: Uint8Array.of(7) }
      const bytes = encodeReply(reply, T, to)
      assert.ok(bytes.length <= MAX_REPLY, `${bytes.length} bytes`)
      const read = decodeKrpc(bytes) as KrpcReply
      assert.deepEqual(read.contacts, contacts)
      assert.deepEqual(read.peers, given.slice(0, read.peers.length))
      assert.ok(read.peers.length >= Math.min(given.length, 80), `${read.peers.length} of ${given.length}`)
      assert.equal(read.seenAs, '9.8.7.6')
    }),
  )
})

test('an error is read as one', () => {
  assert.deepEqual(decodeKrpc(encodeFailure(203, 'no', T)), {
    type: 'failure',
    transaction: Uint8Array.from(T),
    code: 203,
  })
})

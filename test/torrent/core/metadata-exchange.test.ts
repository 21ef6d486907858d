import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MAX_METADATA_LENGTH, MetadataExchange } from '../../../src/torrent/core/metadata-exchange.js'
import { randomFrom } from './virtual-clock.js'

const PART = 16384

function dictionary(length: number, salt = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + salt) & 255)
}

function part(bytes: Uint8Array, number: number): Uint8Array {
  return bytes.subarray(number * PART, (number + 1) * PART)
}

test('a dictionary is put together from several peers, each part asked of one', () => {
  const bytes = dictionary(5 * PART + 100)
  const exchange = new MetadataExchange()
  assert.ok(exchange.offer(1, bytes.length))
  assert.ok(exchange.offer(2, bytes.length))
  const requests = exchange.requests(0)
  assert.deepEqual(
    requests.map(request => request.part),
    [0, 1, 2, 3, 4, 5],
  )
  assert.deepEqual(new Set(requests.map(request => request.peer)), new Set([1, 2]))
  for (const [i, { peer, part: number }] of requests.entries()) {
    const whole = exchange.receive(peer, number, bytes.length, part(bytes, number))
    if (i < 5) assert.equal(whole, undefined)
    else assert.deepEqual(whole?.bytes, bytes)
  }
})

test('sizes that cannot be are not believed', () => {
  const exchange = new MetadataExchange()
  for (const size of [0, -1, NaN, MAX_METADATA_LENGTH + 1]) assert.equal(exchange.offer(1, size), false)
  assert.deepEqual(exchange.requests(0), [])
})

test('a part that nobody asked for, or of another length, is not taken', () => {
  const bytes = dictionary(PART + 5)
  const exchange = new MetadataExchange()
  exchange.offer(1, bytes.length)
  assert.equal(exchange.receive(1, 0, bytes.length, part(bytes, 0)), undefined)
  exchange.requests(0)
  assert.equal(exchange.receive(1, 1, bytes.length, new Uint8Array(6)), undefined)
  assert.equal(exchange.receive(1, 0, bytes.length + 1, part(bytes, 0)), undefined)
  assert.equal(exchange.receive(2, 0, bytes.length, part(bytes, 0)), undefined)
})

test('a part that does not come is asked of another peer too, and who comes first wins', () => {
  const bytes = dictionary(100)
  const exchange = new MetadataExchange()
  exchange.offer(1, 100)
  assert.deepEqual(exchange.requests(0), [{ peer: 1, part: 0 }])
  exchange.offer(2, 100)
  exchange.offer(3, 100)
  assert.deepEqual(exchange.requests(500), [])
  assert.deepEqual(exchange.requests(1000), [{ peer: 2, part: 0 }])
  assert.deepEqual(exchange.requests(1500), [])
  assert.deepEqual(exchange.requests(2000), [{ peer: 3, part: 0 }])
  assert.deepEqual(exchange.receive(1, 0, 100, bytes)?.bytes, bytes)
  assert.equal(exchange.receive(2, 0, 100, bytes), undefined)
})

test('one slow peer among fast ones does not hold up the dictionary', () => {
  const bytes = dictionary(20 * PART)
  const exchange = new MetadataExchange()
  for (const peer of [1, 2, 3]) exchange.offer(peer, bytes.length)
  for (let now = 0; now < 3000; now += 100) {
    for (const { peer, part: number } of exchange.requests(now)) {
      if (peer === 1) continue
      if (exchange.receive(peer, number, bytes.length, part(bytes, number)) !== undefined) return
    }
  }
  assert.fail('not within three seconds')
})

test('after a mixture failed, peers are tried beside each other: one that is silent does not hold up the others', () => {
  const bytes = dictionary(2 * PART)
  const exchange = new MetadataExchange()
  for (const peer of [1, 2, 3]) exchange.offer(peer, bytes.length)
  const liar = dictionary(2 * PART, 9)
  let mixed
  for (const { peer, part: number } of exchange.requests(0)) {
    mixed = exchange.receive(peer, number, bytes.length, part(peer === 1 ? liar : bytes, number))
  }
  assert.ok(mixed)
  assert.equal(exchange.rejected(mixed), undefined)
  // From now on the first is silent.
  for (const { peer, part: number } of exchange.requests(1)) {
    if (peer === 1) continue
    const whole = exchange.receive(peer, number, bytes.length, part(bytes, number))
    if (whole === undefined) continue
    assert.deepEqual(whole.bytes, bytes)
    assert.equal(whole.senders.size, 1)
    return
  }
  assert.fail('not in the first round')
})

test('a peer that alone sent a wrong dictionary is guilty; several are tried one at a time then', () => {
  const exchange = new MetadataExchange()
  const wrong = dictionary(2 * PART, 1)
  exchange.offer(1, wrong.length)
  exchange.offer(2, wrong.length)
  let candidate
  for (const { peer, part: number } of exchange.requests(0)) {
    candidate = exchange.receive(peer, number, wrong.length, part(wrong, number))
  }
  assert.ok(candidate)
  assert.equal(exchange.rejected(candidate), undefined)
  const alone = exchange.requests(1)
  candidate = undefined
  for (const { peer, part: number } of alone) {
    if (peer === 1) candidate = exchange.receive(peer, number, wrong.length, part(wrong, number))
  }
  assert.ok(candidate)
  assert.equal(exchange.rejected(candidate), 1)
  const next = exchange.requests(2)
  assert.deepEqual(next, [])
  assert.ok(
    alone.some(({ peer }) => peer === 2),
    'the other was asked beside it',
  )
})

for (let seed = 1; seed <= 100; seed++) {
  test(`one honest peer among liars, the silent and the unwilling is enough, seed ${seed}`, () => {
    const random = randomFrom(seed)
    const bytes = dictionary(1 + Math.floor(random() * 10 * PART))
    const exchange = new MetadataExchange()
    const kinds = ['honest', 'liar', 'silent', 'unwilling', 'wrongSize'] as const
    const peers = Array.from({ length: 6 }, (_, i) => (i === 0 ? 'honest' : kinds[Math.floor(random() * 5)]!))
    const order = peers.map((_, i) => i).sort(() => random() - 0.5)
    for (const i of order) exchange.offer(i, peers[i] === 'wrongSize' ? bytes.length + 1 : bytes.length)
    for (let now = 0; now < 600_000; now += 1000) {
      for (const { peer, part: number } of exchange.requests(now)) {
        const kind = peers[peer]!
        if (kind === 'unwilling') exchange.refuse(peer, number)
        if (kind === 'silent' || kind === 'unwilling') continue
        const source = kind === 'honest' ? bytes : dictionary(bytes.length + Number(kind === 'wrongSize'), 7)
        const candidate = exchange.receive(peer, number, source.length, part(source, number))
        if (candidate === undefined) continue
        if (Buffer.from(candidate.bytes).equals(bytes)) return
        const guilty = exchange.rejected(candidate)
        assert.notEqual(guilty, 0, 'the honest peer was blamed')
      }
    }
    assert.fail(`seed ${seed}: never complete among ${peers.join(', ')}`)
  })
}

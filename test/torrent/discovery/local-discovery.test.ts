import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { LocalDiscovery } from '../../../src/torrent/discovery/local-discovery.js'
import type { HostPort } from '../../../src/torrent/metainfo/addresses.js'
import { decodeLsdMessage, encodeLsdMessage } from '../../../src/torrent/wire/lsd-message.js'

const A = 'a'.repeat(40)
const B = 'b'.repeat(40)
const NEAR = { host: '192.168.1.7', port: 40_000 }
const MINUTE = 60_000

/** A discovery whose messages are kept, on a clock of the test's. */
class Bench {
  now = 0
  port = 6881
  readonly sent: { at: number; infohashes: readonly string[] }[] = []
  readonly local = new LocalDiscovery({
    group: {
      send: make => {
        const message = decodeLsdMessage(make('239.192.152.143:6771'))!
        assert.equal(message.port, this.port)
        this.sent.push({ at: this.now, infohashes: message.infohashes })
      },
    },
    port: () => this.port,
    cookie: 'ours',
    random: () => 0.5,
  })

  enter(infohash: string, allowed = (): boolean => true): HostPort[] {
    const found: HostPort[] = []
    this.local.enter({ infohash, allowed, found: address => found.push(address) })
    return found
  }

  hear(infohash: string, from = NEAR, cookie = 'theirs'): void {
    const bytes = encodeLsdMessage('x:1', { port: 51413, infohashes: [infohash], cookie })
    this.local.heard(bytes, from, this.now)
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += 1000) this.local.tick(this.now)
  }

  timesOf(infohash: string): number[] {
    return this.sent.filter(({ infohashes }) => infohashes.includes(infohash)).map(({ at }) => at)
  }
}

describe('local discovery', () => {
  test('announces a torrent at once and then every five minutes, several in one message', () => {
    const bench = new Bench()
    bench.enter(A)
    bench.enter(B)
    bench.run(16 * MINUTE)
    assert.deepEqual(bench.timesOf(A), [0, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE])
    assert.equal(bench.sent.length, 4)
  })

  test('ten thousand torrents cost a message a second, and all get their turn', () => {
    const bench = new Bench()
    for (let i = 0; i < 10_000; i++) bench.enter(i.toString(16).padStart(40, '0'))
    bench.run(10 * MINUTE)
    assert.ok(bench.sent.length <= 600)
    assert.equal(new Set(bench.sent.flatMap(({ infohashes }) => infohashes)).size, 10_000)
  })

  test('says nothing of a torrent that it may not, and hears nothing of it', () => {
    const bench = new Bench()
    let allowed = false
    const found = bench.enter(A, () => allowed)
    bench.run(2 * MINUTE)
    bench.hear(A)
    assert.deepEqual([bench.sent.length, found.length], [0, 0])
    allowed = true
    bench.run(2000)
    assert.equal(bench.sent.length, 1)
  })

  test('says nothing while nobody can connect', () => {
    const bench = new Bench()
    bench.port = 0
    bench.enter(A)
    bench.run(MINUTE)
    assert.equal(bench.sent.length, 0)
  })

  test('hears of peers, where they listen', () => {
    const bench = new Bench()
    const found = bench.enter(A)
    bench.hear(A)
    bench.hear(B)
    assert.deepEqual(found, [{ host: NEAR.host, port: 51413 }])
  })

  test('answers who is new, but no torrent twice in a minute, and nobody for ever', () => {
    const bench = new Bench()
    bench.enter(A)
    bench.run(2000)
    for (let i = 0; i < 50; i++) {
      bench.hear(A, { host: `192.168.1.${i + 1}`, port: 1 })
      bench.run(1000)
    }
    bench.run(15_000)
    assert.deepEqual(bench.timesOf(A), [0, MINUTE], 'fifty questions, one answer')
    bench.hear(A, { host: '192.168.1.1', port: 1 })
    bench.run(2 * MINUTE)
    assert.equal(bench.timesOf(A).length, 2, 'it knows us')
  })

  for (const host of ['8.8.8.8', '2001:db8::1', '172.32.0.1']) {
    test(`does not believe ${host}, which is not of a local network`, () => {
      const bench = new Bench()
      const found = bench.enter(A)
      bench.hear(A, { host, port: 1 })
      assert.equal(found.length, 0)
      assert.equal(bench.local.counts.ignored, 1)
    })
  }

  for (const host of ['10.1.2.3', '172.16.0.1', '169.254.9.9', 'fe80::1%eth0', 'fd00::7']) {
    test(`believes ${host}`, () => {
      const bench = new Bench()
      const found = bench.enter(A)
      bench.hear(A, { host, port: 1 })
      assert.deepEqual(found, [{ host, port: 51413 }])
    })
  }

  test('does not take its own message for another', () => {
    const bench = new Bench()
    const found = bench.enter(A)
    bench.hear(A, NEAR, 'ours')
    assert.equal(found.length, 0)
  })

  test('looks at no more than so many datagrams a second', () => {
    const bench = new Bench()
    const found = bench.enter(A)
    for (let i = 0; i < 1000; i++) bench.hear(A, { host: `10.0.${i >> 8}.${i & 255}`, port: 1 })
    assert.equal(found.length, 200)
    bench.now += 1000
    bench.hear(A)
    assert.equal(found.length, 201)
  })

  test('forgets a torrent that left', () => {
    const bench = new Bench()
    const leave = bench.local.enter({ infohash: A, allowed: () => true, found: () => assert.fail('heard') })
    leave()
    bench.hear(A)
    bench.run(MINUTE)
    assert.equal(bench.sent.length, 0)
  })
})

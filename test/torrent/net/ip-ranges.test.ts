import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { addressWords, readAddress } from '../../../src/torrent/net/ip-number.js'
import { RangeCollector } from '../../../src/torrent/net/ip-ranges.js'

const limit = { timeout: 120_000 }

function ipv4(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.')
}

function ipv6(groups: readonly number[]): string {
  return groups.map(group => group.toString(16)).join(':')
}

describe('an IP literal as words', limit, () => {
  const cases: readonly (readonly [text: string, words: readonly number[]])[] = [
    ['0.0.0.0', [0]],
    ['1.2.3.4', [0x01020304]],
    ['255.255.255.255', [0xffffffff]],
    ['::', [0, 0, 0, 0]],
    ['::1', [0, 0, 0, 1]],
    ['1::', [0x10000, 0, 0, 0]],
    ['2001:db8::ff00:42:8329', [0x20010db8, 0, 0xff00, 0x00428329]],
    ['1:2:3:4:5:6:7:8', [0x10002, 0x30004, 0x50006, 0x70008]],
    ['1:2:3:4:5:6:7::', [0x10002, 0x30004, 0x50006, 0x70000]],
    ['::2:3:4:5:6:7:8', [0x2, 0x30004, 0x50006, 0x70008]],
    ['FE80::ABCD%eth0', [0xfe800000, 0, 0, 0xabcd]],
    ['64:ff9b::1.2.3.4', [0x64ff9b, 0, 0, 0x01020304]],
    ['::ffff:1.2.3.4', [0x01020304]],
    ['::ffff:102:304', [0x01020304]],
  ]
  for (const [text, words] of cases) {
    it(`reads ${text}`, () => {
      const into = addressWords()
      assert.equal(readAddress(text, into), words.length)
      assert.deepEqual([...into.subarray(0, words.length)], words)
    })
  }

  const none = [
    '', '1', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.', '.1.2.3', '1..2.3', '01.2.3.4', '1.2.3.4 ', 'a.b.c.d',
    ':', ':::', '1:', ':1', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', 'g::', '::1.2.3', '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4', 'example.org', '1:2:3:4:5:6:7:8::',
  ] // prettier-ignore
  for (const text of none) {
    it(`takes ${JSON.stringify(text)} for no address`, () => {
      assert.equal(readAddress(text, addressWords()), 0)
    })
  }

  it('reads numbers padded with zeros as decimal ones, where that is asked for', () => {
    const into = addressWords()
    assert.equal(readAddress('001.020.010.099', into, true), 1)
    assert.equal(into[0], 0x01140a63)
  })

  it('agrees with what Node.js takes for an address, and never throws', () => {
    const part = fc.constantFrom('0', '1', 'ff', '12345', '1.2.3.4', '255', '256', 'g', '', '%', ' ')
    const text = fc.array(fc.tuple(part, fc.constantFrom(':', '::', '.', '')), { maxLength: 10 })
    const check = (candidate: string): void => {
      const list = new BlockList()
      const mine = readAddress(candidate, addressWords())
      let theirs = 0
      try {
        list.addAddress(candidate, candidate.includes(':') ? 'ipv6' : 'ipv4')
        theirs = 1
      } catch {
        // No address.
      }
      if (!candidate.includes('%')) assert.equal(mine > 0, theirs > 0, JSON.stringify(candidate))
    }
    fc.assert(
      fc.property(text, parts => check(parts.flat().join(''))),
      { numRuns: 2000 },
    )
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), check), { numRuns: 500 })
  })
})

describe('a set of ranges', limit, () => {
  it('holds what a plain list of ranges holds, of IPv4', async () => {
    const value = fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.constantFrom(0xffffffff, 0xfffffffe, 0x80000000, 0x7fffffff),
    )
    const ranges = fc.array(fc.tuple(value, value), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(ranges, fc.array(value, { minLength: 1 }), async (pairs, asked) => {
        const collector = new RangeCollector()
        for (const [a, b] of pairs) collector.add(ipv4(Math.min(a, b)), ipv4(Math.max(a, b)))
        const set = await collector.finish()
        const within = (x: number): boolean =>
          pairs.some(([a, b]) => x >= Math.min(a, b) && x <= Math.max(a, b))
        for (const x of [...asked, ...pairs.flat(), ...Array.from({ length: 42 }, (_, i) => i)])
          assert.equal(set.has(ipv4(x)), within(x), ipv4(x))
        assert.equal(set.has('::'), false)
        assert.equal(set.has(`::ffff:${ipv4(asked[0]!)}`), within(asked[0]!))
      }),
      { numRuns: 300 },
    )
  })

  it('holds what a plain list of ranges holds, of IPv6', async () => {
    const group = fc.constantFrom(0, 1, 0xfffe, 0xffff)
    const address = fc.tuple(group, group, group, group, group, group, group, group)
    const number = (groups: readonly number[]): bigint =>
      groups.reduce((sum, part) => (sum << 16n) | BigInt(part), 0n)
    // Mapped IPv4 addresses are IPv4: not of this test.
    const ranges = fc.array(fc.tuple(address, address), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(ranges, fc.array(address, { minLength: 1 }), async (pairs, asked) => {
        const plain = pairs
          .map(([a, b]) => [number(a), number(b)] as const)
          .map(([a, b], i) =>
            a < b ? ([a, b, ...pairs[i]!] as const) : ([b, a, pairs[i]![1], pairs[i]![0]] as const),
          )
          .filter(([a, b]) => a >> 32n !== 0xffffn && b >> 32n !== 0xffffn)
        const collector = new RangeCollector()
        for (const [, , first, last] of plain) assert.ok(collector.add(ipv6(first), ipv6(last)))
        const set = await collector.finish()
        for (const groups of [...asked, ...pairs.flat()]) {
          const value = number(groups)
          if (value >> 32n === 0xffffn) continue
          assert.equal(
            set.has(ipv6(groups)),
            plain.some(([a, b]) => value >= a && value <= b),
            ipv6(groups),
          )
        }
      }),
      { numRuns: 300 },
    )
  })

  it('joins ranges that overlap or touch', async () => {
    const collector = new RangeCollector()
    collector.add('1.0.0.5', '1.0.0.9')
    collector.add('1.0.0.0', '1.0.0.6')
    collector.add('1.0.0.10', '1.0.0.12')
    collector.add('1.0.0.14', '1.0.0.14')
    collector.add('2001:db8::', '2001:db8::ffff:ffff')
    collector.add('2001:db8::1:0:0', '2001:db8::1:0:1')
    collector.add('255.255.255.255', '255.255.255.255')
    collector.add('::', '::')
    const set = await collector.finish()
    assert.equal(set.size, 5)
    assert.equal(set.has('1.0.0.11'), true)
    assert.equal(set.has('1.0.0.13'), false)
    assert.equal(set.has('2001:db8::1:0:1'), true)
    assert.equal(set.has('2001:db8::1:0:2'), false)
  })

  const blocks: readonly (readonly [base: string, bits: number, inside: string[], outside: string[]])[] = [
    ['10.1.2.3', 8, ['10.0.0.0', '10.255.255.255'], ['9.255.255.255', '11.0.0.0']],
    ['10.1.2.3', 32, ['10.1.2.3'], ['10.1.2.2', '10.1.2.4']],
    ['10.1.2.3', 0, ['0.0.0.0', '255.255.255.255'], ['::1']],
    ['2001:db8::1', 32, ['2001:db8::', '2001:db8:ffff::1'], ['2001:db7:ffff::', '2001:db9::']],
    ['2001:db8::ff', 120, ['2001:db8::', '2001:db8::ff'], ['2001:db8::100']],
    ['2001:db8::', 0, ['::', 'ffff::'], ['1.2.3.4']],
    ['::ffff:10.0.0.0', 104, ['10.1.1.1'], ['11.0.0.0']],
  ]
  for (const [base, bits, inside, outside] of blocks) {
    it(`knows what is in ${base}/${bits}`, async () => {
      const collector = new RangeCollector()
      assert.equal(collector.addBlock(base, bits), true)
      const set = await collector.finish()
      for (const address of inside) assert.equal(set.has(address), true, address)
      for (const address of outside) assert.equal(set.has(address), false, address)
    })
  }

  it('takes no range that is none', () => {
    const collector = new RangeCollector()
    assert.equal(collector.add('1.2.3.4', '1.2.3.3'), false)
    assert.equal(collector.add('1.2.3.4', '::1'), false)
    assert.equal(collector.add('x', '1.2.3.3'), false)
    assert.equal(collector.addBlock('1.2.3.4', 33), false)
    assert.equal(collector.addBlock('::1', 129), false)
    assert.equal(collector.addBlock('::ffff:1.2.3.4', 95), false)
    assert.equal(collector.size, 0)
  })

  it('sorts many that come in no order, and gives others their turns meanwhile', async () => {
    const collector = new RangeCollector()
    const count = 100_003
    // A step that has no factor in common with the count visits all, in no order.
    for (let i = 0; i < count; i++) {
      const start = ((i * 39_119) % count) * 1000
      collector.add(ipv4(start), ipv4(start + 499))
    }
    let turns = 0
    let working = true
    const tick = (): void => {
      turns++
      if (working) setImmediate(tick)
    }
    setImmediate(tick)
    const set = await collector.finish()
    working = false
    assert.ok(turns > 5, `${turns} turns`)
    assert.equal(set.size, count)
    assert.equal(set.byteLength, count * 8)
    for (let i = 0; i < count; i += 97) {
      assert.equal(set.has(ipv4(i * 1000 + 499)), true)
      assert.equal(set.has(ipv4(i * 1000 + 500)), false)
    }
  })
})

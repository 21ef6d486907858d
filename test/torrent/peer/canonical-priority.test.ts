import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { canonicalPriority } from '../../../src/torrent/peer/canonical-priority.js'

const at = (host: string, port = 6881): { host: string; port: number } => ({ host, port })

test('the vectors of BEP 40 hold', () => {
  assert.equal(canonicalPriority(at('123.213.32.10'), at('98.76.54.32')), 0xec2d7224)
  assert.equal(canonicalPriority(at('123.213.32.10'), at('123.213.32.234')), 0x99568189)
})

test('both ends come to the same priority', () => {
  const address = fc.record({
    host: fc.oneof(fc.ipV4(), fc.ipV6()),
    port: fc.integer({ min: 1, max: 65535 }),
  })
  fc.assert(
    fc.property(address, address, (a, b) => {
      assert.equal(canonicalPriority(a, b), canonicalPriority(b, a))
    }),
  )
})

test('hosts of one far network that differ only in masked bits are rated alike, those of our own apart', () => {
  const own = at('10.1.2.3')
  assert.equal(canonicalPriority(own, at('20.1.0.0')), canonicalPriority(own, at('20.1.170.170')))
  assert.notEqual(canonicalPriority(own, at('10.1.2.8')), canonicalPriority(own, at('10.1.2.10')))
  const own6 = at('2001:db8:1:100::1')
  assert.equal(canonicalPriority(own6, at('2001:db8:2::aaaa')), canonicalPriority(own6, at('2001:db8:2::')))
  assert.notEqual(
    canonicalPriority(own6, at('2001:db8:1:1a0::')),
    canonicalPriority(own6, at('2001:db8:1:1a2::')),
  )
})

test('on one host the ports tell', () => {
  const priority = canonicalPriority(at('1.2.3.4', 1000), at('1.2.3.4', 2000))
  assert.equal(priority, canonicalPriority(at('5.6.7.8', 2000), at('5.6.7.8', 1000)))
  assert.notEqual(priority, canonicalPriority(at('1.2.3.4', 1000), at('1.2.3.4', 2001)))
})

test('there is none between families or for names', () => {
  assert.equal(canonicalPriority(at('1.2.3.4'), at('::1')), undefined)
  assert.equal(canonicalPriority(at('localhost'), at('1.2.3.4')), undefined)
})

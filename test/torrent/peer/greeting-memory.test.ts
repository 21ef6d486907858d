import assert from 'node:assert/strict'
import { test } from 'node:test'

import { GreetingMemory } from '../../../src/torrent/peer/greeting-memory.js'

const address = { host: '192.0.2.7', port: 6881 }

test('an address nobody knows is called plainly first', () => {
  assert.deepEqual(new GreetingMemory().order(address, 'prefer'), ['plain', 'encrypted'])
})

test('an address that answered to encryption is called so first, until it answers plainly', () => {
  const memory = new GreetingMemory()
  memory.note(address, 'encrypted')
  assert.deepEqual(memory.order({ host: '::ffff:192.0.2.7', port: 6881 }, 'prefer'), ['encrypted', 'plain'])
  assert.deepEqual(memory.order({ ...address, port: 6882 }, 'prefer'), ['plain', 'encrypted'])
  memory.note(address, 'plain')
  assert.deepEqual(memory.order(address, 'prefer'), ['plain', 'encrypted'])
})

test('the policy stands above what was learnt', () => {
  const memory = new GreetingMemory()
  memory.note(address, 'encrypted')
  assert.deepEqual(memory.order(address, 'disable'), ['plain'])
  memory.note(address, 'plain')
  assert.deepEqual(memory.order(address, 'require'), ['encrypted'])
})

test('the addresses noted longest ago are forgotten beyond 4,096', () => {
  const memory = new GreetingMemory()
  const numbered = (i: number): { host: string; port: number } => ({ host: '192.0.2.1', port: i + 1 })
  for (let i = 0; i < 4096; i++) memory.note(numbered(i), 'encrypted')
  memory.note(numbered(0), 'encrypted')
  memory.note(numbered(4096), 'encrypted')
  const known = [0, 1, 2, 4096].map(i => memory.order(numbered(i), 'prefer')[0] === 'encrypted')
  assert.deepEqual(known, [true, false, true, true])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { HostResolver } from '../../../src/torrent/net/host-resolver.js'

test('an IP literal is its own address and is not looked up', async () => {
  const resolver = new HostResolver(() => assert.fail('looked up'))
  assert.deepEqual(await resolver.resolve('127.0.0.1'), [{ address: '127.0.0.1', family: 4 }])
  assert.deepEqual(await resolver.resolve('0:0::1'), [{ address: '::1', family: 6 }])
  assert.deepEqual(await resolver.resolve('::ffff:10.0.0.1'), [{ address: '10.0.0.1', family: 4 }])
})

test('many who want one name cause one lookup, and its result is kept', async () => {
  let lookups = 0
  const resolver = new HostResolver(async () => {
    lookups++
    await turn()
    return [{ address: '10.0.0.1', family: 4 }]
  })
  const results = await Promise.all(Array.from({ length: 100 }, () => resolver.resolve('t.example')))
  assert.ok(results.every(([first]) => first?.address === '10.0.0.1'))
  await resolver.resolve('t.example')
  assert.equal(lookups, 1)
})

test('no more than two lookups are under way, for each holds a thread', async () => {
  let active = 0
  let most = 0
  const resolver = new HostResolver(async () => {
    most = Math.max(most, ++active)
    await turn()
    active--
    return [{ address: '10.0.0.1', family: 4 }]
  })
  await Promise.all(Array.from({ length: 20 }, (_, index) => resolver.resolve(`t${index}.example`)))
  assert.equal(most, 2)
})

test('a name that does not resolve is an error that is remembered', async () => {
  let lookups = 0
  const resolver = new HostResolver(() => {
    lookups++
    return Promise.reject(new Error('ENOTFOUND'))
  })
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(resolver.resolve('gone.example'), {
      code: 'ERR_TORRENTFS_TRACKER',
      message: 'cannot resolve gone.example: ENOTFOUND',
    })
  }
  assert.equal(lookups, 1)
  const empty = new HostResolver(() => Promise.resolve([{ address: 'nonsense', family: 4 }]))
  await assert.rejects(empty.resolve('x'), { code: 'ERR_TORRENTFS_TRACKER' })
})

test('an IPv6 address alone is given even where it may not be reached', async () => {
  const resolver = new HostResolver(() => Promise.resolve([{ address: '2001:db8::1', family: 6 }]))
  assert.deepEqual(await resolver.resolve('six.example'), [{ address: '2001:db8::1', family: 6 }])
})

test('the system resolves what is not given another lookup', async () => {
  const addresses = await new HostResolver().resolve('localhost')
  assert.ok(addresses.some(({ address }) => address === '127.0.0.1' || address === '::1'))
})

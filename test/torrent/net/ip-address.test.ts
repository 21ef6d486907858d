import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  canonicalIp,
  isLoopback,
  mayLead,
  realmOf,
  realmOfHost,
  type Realm,
} from '../../../src/torrent/net/ip-address.js'

test('loopback is known in every spelling', () => {
  for (const ip of [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '0.0.0.0',
    '::',
  ]) {
    assert.equal(isLoopback(canonicalIp(ip)!), true, ip)
  }
  for (const ip of ['128.0.0.1', '::2', '10.0.0.1']) assert.equal(isLoopback(canonicalIp(ip)!), false, ip)
})

test('an address is of this machine, of the local network, or of anyone', () => {
  const table: readonly (readonly [string, Realm])[] = [
    ['127.1.2.3', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['0.0.0.0', 'loopback'],
    ['10.255.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.0.1', 'private'],
    ['169.254.169.254', 'private'],
    ['100.64.0.1', 'private'],
    ['::ffff:192.168.1.1', 'private'],
    ['fc00::1', 'private'],
    ['fdab:1::1', 'private'],
    ['fe80::1', 'private'],
    ['fec0::1', 'private'],
    ['172.15.0.1', 'public'],
    ['172.32.0.1', 'public'],
    ['100.63.0.1', 'public'],
    ['100.128.0.1', 'public'],
    ['192.169.0.1', 'public'],
    ['8.8.8.8', 'public'],
    ['2001:db8::1', 'public'],
    ['fd::1', 'public'],
  ]
  for (const [ip, realm] of table) assert.equal(realmOf(canonicalIp(ip)!), realm, ip)
})

test('what began afar never leads nearer', () => {
  const order: readonly Realm[] = ['loopback', 'private', 'public']
  order.forEach((from, i) => {
    order.forEach((to, j) => assert.equal(mayLead(from, to), j >= i, `${from} to ${to}`))
  })
})

test('a host is as far as its outermost address', () => {
  const of = (...ips: string[]): Realm => realmOfHost(ips.map(address => ({ address })))
  assert.equal(of('127.0.0.1', '::1'), 'loopback')
  assert.equal(of('127.0.0.1', '10.0.0.1'), 'private')
  assert.equal(of('127.0.0.1', '10.0.0.1', '8.8.8.8'), 'public')
})

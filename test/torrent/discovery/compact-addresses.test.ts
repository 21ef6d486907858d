import assert from 'node:assert/strict'
import { SocketAddress } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  addressOf,
  decodeCompact4,
  decodeCompact6,
  decodeIp,
} from '../../../src/torrent/discovery/compact-addresses.js'

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('compact IPv4 addresses are read in order and a remainder is ignored', () => {
  assert.deepEqual(decodeCompact4(hex('7f000001 1ae1 0a000002 0050 0a'), 10), [
    { host: '127.0.0.1', port: 6881 },
    { host: '10.0.0.2', port: 80 },
  ])
})

test('addresses nobody can dial are left out', () => {
  const undialable = ['00000000 1ae1', '01020304 0000', 'e0000001 1ae1', 'ffffffff 1ae1']
  assert.deepEqual(decodeCompact4(hex(undialable.join('')), 10), [])
  const port = '1ae1'
  const zeros = '00'.repeat(16)
  assert.deepEqual(
    decodeCompact6(hex(`${zeros}${port}fe80${'00'.repeat(13)}01${port}ff02${'00'.repeat(14)}${port}`), 9),
    [],
  )
})

test('an IPv4-mapped address is an IPv4 one, and dialable only as that', () => {
  const prefix = `${'00'.repeat(10)}ffff`
  assert.deepEqual(decodeCompact6(hex(`${prefix}01020304 1ae1 ${prefix}e0000001 1ae1`), 9), [
    { host: '1.2.3.4', port: 6881 },
  ])
})

test('no more addresses are taken than the limit', () => {
  assert.equal(decodeCompact4(hex('01020304 1ae1'.repeat(50)), 7).length, 7)
})

test('IPv6 addresses are spelled as the system spells them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0, 0, 0, 1, 0xff, 0x20), { minLength: 16, maxLength: 16 }),
      octets => {
        // The system writes ::1.2.3.4 for the long deprecated IPv4-compatible ones.
        fc.pre(octets.slice(0, 12).some(octet => octet !== 0))
        const groups = Array.from({ length: 8 }, (_, at) =>
          ((octets[at * 2]! << 8) | octets[at * 2 + 1]!).toString(16),
        )
        const expected = new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
        assert.equal(decodeIp(Uint8Array.from(octets)), expected.replace(/^::ffff:(?=\d+\.)/, ''))
      },
    ),
  )
})

test('text is an address only as an IP literal with a real port', () => {
  assert.deepEqual(addressOf('1.2.3.4', 1), { host: '1.2.3.4', port: 1 })
  assert.deepEqual(addressOf('2001:DB8:0:0::1', 65535), { host: '2001:db8::1', port: 65535 })
  assert.deepEqual(addressOf('::ffff:1.2.3.4', 1), { host: '1.2.3.4', port: 1 })
  const bad = [
    ['example.org', 80],
    ['localhost', 80],
    ['', 80],
    ['1.2.3', 80],
    ['fe80::1%eth0', 80],
    ['1.2.3.4', 0],
    ['1.2.3.4', 65536],
    ['1.2.3.4', 1.5],
    ['1.2.3.4', undefined],
    ['0.0.0.0', 80],
    [`1${' '.repeat(1000)}`, 80],
  ] as const
  for (const [host, port] of bad) assert.equal(addressOf(host, port), undefined, `${host} ${port}`)
})

import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  oneOf,
  parseAddress,
  parseCount,
  parseDhtNode,
  parseDuration,
  parseFolder,
  parsePeer,
  parseSize,
} from '../../src/cli/flag-values.js'

function table<T>(
  parse: (text: string) => T,
  good: readonly (readonly [string, T])[],
  bad: readonly string[],
): void {
  for (const [text, expected] of good) {
    it(`reads ${JSON.stringify(text)} as ${JSON.stringify(expected) ?? 'nothing'}`, () => {
      assert.deepEqual(parse(text), expected)
    })
  }
  for (const text of bad) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parse(text), /^Error: \S/)
    })
  }
}

describe('parseSize', () => {
  table(
    parseSize,
    [
      ['0', 0],
      ['1048576', 1048576],
      ['10MiB', 10 * 1024 ** 2],
      ['512k', 512 * 1024],
      ['512K', 512 * 1024],
      ['1.5G', 1.5 * 1024 ** 3],
      ['10 MB', 10_000_000],
      ['7b', 7],
    ],
    ['', '-1', '10X', 'k', '1e9', '10MiBs', '9999999999999999', '1.2.3', 'NaN', 'Infinity'],
  )
})

describe('parseCount', () => {
  table(
    parseCount,
    [
      ['1', 1],
      [' 500 ', 500],
    ],
    ['', '0', '-1', '1.5', '1e3', 'many', '99999999999999999999'],
  )
})

describe('parseDuration', () => {
  table(
    parseDuration,
    [
      ['30s', 30_000],
      ['1m30s', 90_000],
      ['500ms', 500],
      ['2h', 7_200_000],
      ['0.5s', 500],
      ['off', undefined],
      ['0', undefined],
      ['0s', undefined],
    ],
    ['', '30', '30 s', 's', '-3s', '3d', '1s junk', '9999h'],
  )
})

describe('parseAddress', () => {
  table(
    parseAddress,
    [
      [':0', { host: '', port: 0 }],
      [':6881', { host: '', port: 6881 }],
      ['127.0.0.1:1', { host: '127.0.0.1', port: 1 }],
      ['example.test:65535', { host: 'example.test', port: 65535 }],
      ['[::1]:6881', { host: '::1', port: 6881 }],
      ['[2001:db8::7]:0', { host: '2001:db8::7', port: 0 }],
    ],
    [
      '',
      '6881',
      'host',
      'host:',
      'host:x',
      ':65536',
      '::1:6881',
      '[::1]',
      '[host]:1',
      '[]:1',
      'a b:1',
      'host:-1',
      'a:1:2',
    ],
  )

  it('gives back any IPv4 or IPv6 address it is given', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), fc.nat(65535), (v4, v6, port) => {
        assert.deepEqual(parseAddress(`${v4}:${port}`), { host: v4, port })
        assert.deepEqual(parseAddress(`[${v6}]:${port}`), { host: v6, port })
      }),
    )
  })
})

describe('parsePeer', () => {
  table(parsePeer, [['127.0.0.1:1', { host: '127.0.0.1', port: 1 }]], [':6881', '127.0.0.1:0'])
})

describe('parseDhtNode', () => {
  table(
    parseDhtNode,
    [
      ['router.test:6881', { host: 'router.test', port: 6881 }],
      ['[::1]:1', { host: '::1', port: 1 }],
      ['none', undefined],
      ['', undefined],
    ],
    [':6881', '127.0.0.1:0', 'nobody'],
  )
})

describe('parseFolder', () => {
  table(
    parseFolder,
    [
      ['/a/../b/', '/b'],
      ['a', join(process.cwd(), 'a')],
      ['~', homedir()],
      ['~/a', join(homedir(), 'a')],
      ['~a', join(process.cwd(), '~a')],
    ],
    ['', 'a\0b'],
  )
})

describe('oneOf', () => {
  table(
    oneOf('json', 'pretty'),
    [
      ['json', 'json'],
      ['JSON', 'json'],
    ],
    ['', 'xml', 'toString'],
  )
})

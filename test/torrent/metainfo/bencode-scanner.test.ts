import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TorrentError } from '../../../src/torrent/errors.js'
import { scanBencode, type ScanReport } from '../../../src/torrent/metainfo/bencode-scanner.js'
import { encodeBencode } from '../../../src/torrent/metainfo/bencode.js'
import { bencodeValues, mutated } from './arbitraries.js'

const scan = (text: string): ScanReport => scanBencode(Buffer.from(text, 'latin1'))

describe('scanBencode', () => {
  it('accepts every kind of value', () => {
    for (const text of [
      'i0e',
      'i-1e',
      'i18446744073709551615e',
      '0:',
      '3:abc',
      '10:0123456789',
      'le',
      'de',
      'd1:ad1:bl0:eee',
      'lllleeee',
    ]) {
      assert.deepEqual(scan(text), { end: text.length, sorted: true, duplicates: false }, text)
    }
  })

  it('refuses everything else', () => {
    const table = [
      '',
      'e',
      'x',
      ':',
      'ie',
      'i-e',
      'i-0e',
      'i03e',
      'i-03e',
      'i+1e',
      'i1.5e',
      'i1',
      'i 1e',
      'i123456789012345678901e',
      '3:ab',
      '03:abc',
      '00:',
      '-1:a',
      '3',
      '3abc',
      'l',
      'l-3:e',
      'd',
      'di1ei1ee',
      'd1:ae',
      'd1:a',
      'dlee',
      'i1ei1e',
      'lee',
      'de ',
      '99999999999999999999999999:a',
      '4294967296:a',
      '9007199254740993:a',
    ]
    for (const text of table) {
      assert.throws(
        () => scan(text),
        { code: 'ERR_TORRENTFS_BENCODE', message: /at byte \d+/ },
        JSON.stringify(text),
      )
    }
  })

  it('reports keys out of order and keys that come twice, near or far', () => {
    const table: [string, boolean, boolean][] = [
      ['d1:ai1e1:bi2ee', true, false],
      ['d1:bi1e1:ai2ee', false, false],
      ['d1:ai1e1:ai2ee', true, true],
      ['d1:ai1e1:bi1e1:ai2ee', false, true],
      ['ld1:bi1e1:ai2eed1:ai1eee', false, false],
      ['d1:ad1:ai1ee1:bd1:ai1eee', true, false],
      ['d2:aai1e1:bi1ee', true, false],
      ['d1:bi1e2:aai1ee', false, false],
      ['d0:i1e1:ai1ee', true, false],
      ['d1:\xffi1e1:\x7fi1ee', false, false],
    ]
    for (const [text, sorted, duplicates] of table) {
      assert.deepEqual(scan(text), { end: text.length, sorted, duplicates }, text)
    }
  })

  it('lets bytes follow where it is told to, and begins where it is told to', () => {
    const bytes = Buffer.from('xxd1:ai1eerest')
    assert.deepEqual(scanBencode(bytes, { offset: 2, prefix: true }), {
      end: 10,
      sorted: true,
      duplicates: false,
    })
    assert.throws(() => scanBencode(bytes, { offset: 2 }), { code: 'ERR_TORRENTFS_BENCODE' })
    assert.throws(() => scanBencode(bytes, { offset: 99 }), { code: 'ERR_TORRENTFS_BENCODE' })
  })

  it('refuses values nested too deep, however deep, without overflowing the stack', () => {
    const nested = (depth: number): string => 'l'.repeat(depth) + 'e'.repeat(depth)
    assert.equal(scan(nested(100)).end, 200)
    for (const depth of [101, 5_000_000])
      assert.throws(() => scan(nested(depth)), { code: 'ERR_TORRENTFS_BENCODE' })
    assert.throws(() => scan('d1:a'.repeat(1_000_000)), { code: 'ERR_TORRENTFS_BENCODE' })
  })

  it('takes time in proportion to the bytes, whatever they are', () => {
    const size = 10_000_000
    const hostile = [
      'i' + '1'.repeat(size),
      '1'.repeat(size),
      'l' + '0:'.repeat(size / 2) + 'e',
      'd' + '0:0:'.repeat(size / 4) + 'e',
      'd1:b0:' + '1:a0:'.repeat(size / 5) + 'e',
      'l' + 'd1:b0:1:a0:e'.repeat(size / 12) + 'e',
    ]
    for (const text of hostile) {
      const began = performance.now()
      try {
        scan(text)
      } catch (error) {
        assert.ok(error instanceof TorrentError)
      }
      const took = performance.now() - began
      assert.ok(took < 5000, `${text.slice(0, 20)}... took ${took.toFixed(0)} ms`)
    }
  })

  it('throws nothing but its own error on any bytes, and ends', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .array(fc.constantFrom(...'ilde:-0123456789ab'), { maxLength: 48 })
        .map(list => Buffer.from(list.join(''))),
      mutated(bencodeValues.map(value => encodeBencode(value))),
    )
    fc.assert(
      fc.property(anything, bytes => {
        try {
          const { end } = scanBencode(bytes, { prefix: true })
          assert.ok(end > 0 && end <= bytes.length)
        } catch (error) {
          assert.ok(error instanceof TorrentError && error.code === 'ERR_TORRENTFS_BENCODE', String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { TorrentError } from '../../../src/torrent/errors.js'
import { encodeBencode, type BencodeInput } from '../../../src/torrent/metainfo/bencode.js'
import { BencodeNode } from '../../../src/torrent/metainfo/bencode-node.js'
import { bencodeValues, mutated } from './arbitraries.js'

/** What a node says, as plain values. */
function plain(node: BencodeNode): unknown {
  switch (node.kind) {
    case 'integer':
      return node.integer
    case 'string':
      return node.bytes
    case 'list':
      return [...node.items()].map(plain)
    case 'dictionary':
      return Object.fromEntries(
        [...node.entries()].map(([key, value]) => [Buffer.from(key).toString(), plain(value)]),
      )
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

describe('bencode', () => {
  it('reads what it encoded', () => {
    fc.assert(
      fc.property(bencodeValues, value => {
        const bytes = encodeBencode(value)
        const { root, report } = BencodeNode.scan(bytes)
        assert.deepEqual(plain(root), value)
        assert.deepEqual(report, { end: bytes.length, sorted: true, duplicates: false })
        assert.deepEqual(root.raw, bytes)
      }),
    )
  })

  it('throws nothing but its own error on bytes that were tampered with', () => {
    fc.assert(
      fc.property(mutated(bencodeValues.map(value => encodeBencode(value))), bytes => {
        try {
          plain(BencodeNode.scan(bytes).root)
        } catch (error) {
          assert.ok(error instanceof TorrentError && error.code === 'ERR_TORRENTFS_BENCODE', String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('encodes dictionaries sorted, without what is undefined', () => {
    assert.equal(text(encodeBencode({ b: 'é', a: [1, 'x'], none: undefined })), 'd1:ali1e1:xe1:b2:\xc3\xa9e')
    assert.equal(text(encodeBencode(Number.MAX_SAFE_INTEGER)), 'i9007199254740991e')
    assert.equal(text(encodeBencode(-5)), 'i-5e')
    assert.equal(text(encodeBencode([-0, 2n ** 70n, -1n])), 'li0ei1180591620717411303424ei-1ee')
    assert.equal(text(encodeBencode(new Map([['b', 1], ['\xff', 2], ['a', 3]]))), 'd1:ai3e1:bi1e1:\xffi2ee') // prettier-ignore
    assert.equal(text(encodeBencode({ 10: 1, 9: 2, __proto__: null } as never)), 'd2:10i1e1:9i2ee')
  })

  it('refuses to encode what would come out wrong', () => {
    const circle: BencodeInput[] = []
    circle.push(circle)
    const odd = new Map<unknown, number>([[Buffer.from('a'), 1]])
    const table: unknown[] = [1.5, 2 ** 53, Number.NaN, true, null, [false], { a: null }, { é: 1 }, () => 1]
    table.push(new Map([['\u0100', 1]]), odd, new Set([1]), circle)
    for (const value of table) {
      assert.throws(
        () => encodeBencode(value as BencodeInput),
        { code: 'ERR_TORRENTFS_ARGUMENT' },
        inspect(value),
      )
    }
  })

  it('reads a value with bytes behind it, and says where they begin', () => {
    const { root, report } = BencodeNode.scan(Buffer.from('d5:piecei3eePAYLOAD'), { prefix: true })
    assert.deepEqual([root.get('piece')?.integer, report.end], [3, 12])
    const { root: inner } = BencodeNode.scan(Buffer.from('HEADli1ei2ee'), { offset: 4 })
    assert.deepEqual(plain(inner), [1, 2])
  })

  it('gives integers beyond 2^53 exactly, and no size for them', () => {
    const table: [string, number | bigint, number | undefined][] = [
      ['i9007199254740991e', 9007199254740991, 9007199254740991],
      ['i9007199254740993e', 9007199254740993n, undefined],
      ['i-9007199254740993e', -9007199254740993n, undefined],
      ['i18446744073709551615e', 18446744073709551615n, undefined],
      ['i-1e', -1, undefined],
      ['i0e', 0, 0],
    ]
    for (const [bytes, integer, size] of table) {
      const { root } = BencodeNode.scan(Buffer.from(bytes))
      assert.equal(root.integer, integer)
      assert.equal(root.size, size)
    }
  })

  it('picks keys in any order, the first of those that come twice, and nothing from other kinds', () => {
    const { root } = BencodeNode.scan(Buffer.from('d1:zi1e1:ai2e1:ai3e2:aai4ee'))
    const { a, z, b } = root.pick(['a', 'b', 'z'])
    assert.deepEqual([a?.integer, z?.integer, b], [2, 1, undefined])
    assert.equal(root.get('aa')?.integer, 4)
    const { root: list } = BencodeNode.scan(Buffer.from('l1:ai1ee'))
    assert.deepEqual(list.pick(['a']), {})
    assert.deepEqual(
      [list.integer, list.bytes, list.size, [...list.entries()]],
      [undefined, undefined, undefined, []],
    )
  })
})

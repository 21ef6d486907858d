import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { encodeBencode, type BencodeInput } from '../../../src/torrent/metainfo/bencode.js'
import {
  decodeBencode,
  decodeBencodeStream,
  type BencodeItem,
  type BencodeValue,
} from '../../../src/torrent/metainfo/bencode-values.js'

const keys = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
  maxLength: 5,
})
/** Values of every kind, as they are when decoded. */
const values: fc.Arbitrary<BencodeValue> = fc.letrec<{ value: BencodeValue }>(tie => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.maxSafeInteger().map(value => value + 0),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 200n }),
    fc.bigInt({ min: -(2n ** 200n), max: -(2n ** 53n) }),
    fc.uint8Array({ maxLength: 12 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(keys, tie('value')), { maxLength: 4, selector: ([key]) => key })
      .map(entries => new Map(entries)),
  ),
})).value

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

async function itemsOf(iteration: AsyncIterable<BencodeItem>): Promise<BencodeItem[]> {
  const items: BencodeItem[] = []
  for await (const item of iteration) items.push(item)
  return items
}

describe('bencoded values', () => {
  it('are the same once encoded and decoded, integers of any size and keys of any bytes included', () => {
    fc.assert(
      fc.property(values, value => {
        const bytes = encodeBencode(value)
        const decoded = decodeBencode(bytes)
        assert.deepEqual(decoded, value)
        assert.deepEqual(encodeBencode(decoded as BencodeInput), bytes)
      }),
      { numRuns: 500 },
    )
  })

  it('have their strings as text where that was asked for and can be', () => {
    const bytes = encodeBencode({ a: 'é', b: Uint8Array.of(0xff), c: '' })
    const expected = new Map<string, BencodeValue>([
      ['a', 'é'],
      ['b', Uint8Array.of(0xff)],
      ['c', ''],
    ])
    assert.deepEqual(decodeBencode(bytes, { text: true }), expected)
    assert.deepEqual(encodeBencode(expected as BencodeInput), bytes)
  })

  it('do not become properties of objects', () => {
    const value = decodeBencode(bytesOf('d9:__proto__d1:xi1eee'))
    assert.deepEqual(value, new Map([['__proto__', new Map([['x', 1]])]]))
    assert.equal(({} as { x?: number }).x, undefined)
  })

  it('are one, with nothing behind it but white space when the reading is lenient', () => {
    for (const text of ['', 'i1ei2e', 'i1e\n', 'i1', 'i1eX'])
      assert.throws(() => decodeBencode(bytesOf(text)), { code: 'ERR_TORRENTFS_BENCODE' }, text)
    assert.equal(decodeBencode(bytesOf('i1e\n'), { lenient: true }), 1)
    assert.throws(() => decodeBencode(bytesOf('i1e i2e'), { lenient: true }), /byte 4: bytes after the value/)
    assert.throws(() => decodeBencode(bytesOf(' '), { lenient: true }), /byte 0: no value/)
  })

  it('keep the first value of a key that comes twice', () => {
    assert.deepEqual(decodeBencode(bytesOf('d1:ai1e1:ai2ee'), { lenient: true }), new Map([['a', 1]]))
  })

  it('come out of a stream as soon as they are whole, with their places', async () => {
    let release = (): void => {}
    const gate = new Promise<void>(resolve => (release = resolve))
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytesOf('i1eli2')
      yield bytesOf('ee3:a')
      await gate
      yield bytesOf('bc')
    }
    const iteration = decodeBencodeStream(source())
    assert.deepEqual((await iteration.next()).value, { value: 1, begin: 0, end: 3 })
    assert.deepEqual((await iteration.next()).value, { value: [2], begin: 3, end: 8 })
    release()
    assert.deepEqual(await itemsOf(iteration), [
      { value: Uint8Array.from(bytesOf('abc')), begin: 8, end: 13 },
    ])
  })

  it('come out of a stream up to the byte that is wrong', async () => {
    const seen: BencodeItem[] = []
    await assert.rejects(
      async () => {
        for await (const item of decodeBencodeStream([bytesOf('i1ei2eXi3e')])) seen.push(item)
      },
      { code: 'ERR_TORRENTFS_BENCODE', message: /byte 6/ },
    )
    assert.deepEqual(
      seen.map(({ value }) => value),
      [1, 2],
    )
    await assert.rejects(itemsOf(decodeBencodeStream([bytesOf('l')])), /byte 1: the bytes end/)
  })

  it('end their source when nobody wants more', async () => {
    const source = Readable.from([bytesOf('i1e'), bytesOf('i2e'), bytesOf('i3e')], { highWaterMark: 1 })
    for await (const { value } of decodeBencodeStream(source)) {
      assert.equal(value, 1)
      break
    }
    assert.ok(source.destroyed)
  })
})

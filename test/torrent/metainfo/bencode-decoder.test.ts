import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TorrentError } from '../../../src/torrent/errors.js'
import { encodeBencode } from '../../../src/torrent/metainfo/bencode.js'
import {
  BencodeDecoder,
  type BencodeDecoderOptions,
  type BencodeListener,
} from '../../../src/torrent/metainfo/bencode-decoder.js'
import { scanBencode } from '../../../src/torrent/metainfo/bencode-scanner.js'
import { bencodeValues, mutated } from './arbitraries.js'

const encoded = bencodeValues.map(value => encodeBencode(value))
const anyBytes = fc.oneof(encoded, mutated(encoded))

interface Told {
  readonly events: string[]
  readonly spans: [begin: number, end: number][]
  readonly error?: string
}

/** All that a decoder tells of bytes that come in these cuts, and how it ends. */
function told(parts: readonly Uint8Array[], options: BencodeDecoderOptions = {}): Told {
  const events: string[] = []
  const spans: [number, number][] = []
  const tell = (kind: string, what: unknown, begin: number, end: number): void => {
    events.push(`${kind} ${String(what)} [${begin}, ${end})`)
    spans.push([begin, end])
  }
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const listener: BencodeListener = {
    integer: (value, begin, end) => tell(`integer ${typeof value}`, value, begin, end),
    string: (bytes, begin, end) => tell('string', hex(bytes), begin, end),
    key: (bytes, begin, end) => tell('key', hex(bytes), begin, end),
    open: (kind, begin) => events.push(`open ${kind} ${begin}`),
    close: (kind, begin, end) => tell('close', kind, begin, end),
  }
  const decoder = new BencodeDecoder(listener, options)
  try {
    for (const part of parts) {
      const fed = Uint8Array.from(part)
      decoder.push(fed)
      // Whoever feeds it uses the memory again.
      fed.fill(0xee)
    }
    decoder.finish()
  } catch (error) {
    assert.ok(error instanceof TorrentError && error.code === 'ERR_TORRENTFS_BENCODE', String(error))
    return { events, spans, error: error.message }
  }
  return { events, spans }
}

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')
const errorOf = (text: string, options?: BencodeDecoderOptions): string | undefined =>
  told([bytesOf(text)], options).error

describe('the streaming bencode decoder', () => {
  it('tells the same of the same bytes however they are cut', () => {
    fc.assert(
      fc.property(anyBytes, fc.array(fc.nat()), fc.boolean(), (bytes, places, lenient) => {
        const whole = told([bytes], { lenient })
        const cuts = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
        const parts = [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length))
        assert.deepEqual(told(parts, { lenient }), whole)
        assert.deepEqual(
          told(
            Array.from(bytes, byte => Uint8Array.of(byte)),
            { lenient },
          ),
          whole,
        )
      }),
      { numRuns: 500 },
    )
  })

  it('takes what the scanner takes with its keys in order, and nothing else', () => {
    let taken = 0
    fc.assert(
      fc.property(anyBytes, bytes => {
        let valid = false
        try {
          const { sorted, duplicates } = scanBencode(bytes)
          valid = sorted && !duplicates
        } catch {
          // The scanner refuses it.
        }
        // The scanner is asked of one value; the decoder goes on behind it.
        const outer = told([bytes], { maxDigits: 20 })
        const roots = outer.spans.filter(([begin, end]) => begin === 0 && end === bytes.length)
        assert.equal(outer.error === undefined && roots.length === 1, valid)
        if (valid) taken++
      }),
      { numRuns: 2000 },
    )
    assert.ok(taken > 200, `${taken} of 2000 were valid`)
  })

  it('says of each value where its own encoding lies', () => {
    fc.assert(
      fc.property(encoded, bytes => {
        for (const [begin, end] of told([bytes]).spans) {
          const inner = told([bytes.subarray(begin, end)])
          assert.equal(inner.error, undefined)
          assert.deepEqual(inner.spans.at(-1), [0, end - begin])
        }
      }),
    )
  })

  it('takes more when it is lenient, and nothing differently', () => {
    fc.assert(
      fc.property(anyBytes, bytes => {
        const strict = told([bytes])
        if (strict.error === undefined) assert.deepEqual(told([bytes], { lenient: true }), strict)
      }),
    )
  })

  it('refuses what BEP 3 forbids, and takes what is merely careless when it is lenient', () => {
    const table: [text: string, strict: RegExp | undefined, lenient: RegExp | undefined][] = [
      ['i-0e', /byte 0: .*leading zero/, undefined],
      ['li007ee', /byte 1: .*leading zero/, undefined],
      ['02:ab', /byte 0: a length with a leading zero/, undefined],
      ['d1:bi1e1:ai2ee', /byte 7: a key out of order/, undefined],
      ['d1:ai1e1:ai2ee', /byte 7: a key that comes twice/, undefined],
      [' i1e\r\ni2e\n', /byte 0: not a value/, undefined],
      ['ie', /byte 0: not an integer/, /byte 0: not an integer/],
      ['i-e', /not an integer/, /not an integer/],
      ['i--1e', /not an integer/, /not an integer/],
      ['i1.5e', /not an integer/, /not an integer/],
      ['i+1e', /not an integer/, /not an integer/],
      ['l i1ee', /byte 1: not a value/, /byte 1: not a value/],
      ['-1:a', /byte 0: not a value/, /byte 0: not a value/],
      ['1a:', /byte 0: not a value/, /byte 0: not a value/],
      ['di1ei2ee', /byte 1: a key that is no string/, /byte 1: a key that is no string/],
      ['d1:ae', /byte 4: a key without a value/, /byte 4: a key without a value/],
      ['i1ee', /byte 3: not a value/, /byte 3: not a value/],
      ['l3:ab', /byte 5: the bytes end within a value/, /byte 5: the bytes end within a value/],
    ]
    for (const [text, strict, lenient] of table) {
      for (const [expected, options] of [
        [strict, {}],
        [lenient, { lenient: true }],
      ] as const) {
        const error = errorOf(text, options)
        if (expected === undefined) assert.equal(error, undefined, text)
        else assert.match(error ?? '', expected, text)
      }
    }
  })

  it('keeps to its limits, to the byte', () => {
    const table: [options: BencodeDecoderOptions, most: string, more: string, error: RegExp][] = [
      [{ maxDepth: 2 }, 'lledee', 'ld1:aleee', /byte 5: more than 2 values within each other/],
      [{ maxDepth: 0 }, 'i1e', 'le', /byte 0: more than 0 values/],
      [{ maxStringBytes: 3 }, '3:abc', '4:abcd', /byte 0: a string of more than 3 bytes/],
      [{ maxBytes: 5 }, '3:abci1e', '3:abc4:abcd', /byte 5: a value of more than 5 bytes/],
      [{ maxBytes: 4 }, 'i12e', 'i123e', /byte 0: a value of more than 4 bytes/],
      [{ maxBytes: 6 }, 'lleleei1e', 'llelelee', /byte 0: a value of more than 6 bytes/],
      [{ maxValues: 3 }, 'd1:ai1e1:bi2ee', 'li1ei2e0:e', /byte 7: more than 3 values/],
      [{ maxDigits: 3 }, 'i-999e', 'i1000e', /byte 0: an integer of more than 3 digits/],
    ]
    for (const [options, most, more, error] of table) {
      assert.equal(errorOf(most, options), undefined, most)
      assert.match(errorOf(more, options) ?? '', error, more)
    }
    for (const options of [{ maxDepth: 1001 }, { maxBytes: -1 }, { maxDigits: 1.5 }, { maxValues: NaN }])
      assert.throws(() => errorOf('', options), { code: 'ERR_TORRENTFS_ARGUMENT' })
  })

  it('reserves no memory for bytes that are only promised', () => {
    const before = process.memoryUsage().arrayBuffers
    const nobody = { integer() {}, string() {}, key() {}, open() {}, close() {} }
    const decoders = Array.from({ length: 200 }, () => new BencodeDecoder(nobody))
    for (const decoder of decoders) decoder.push(bytesOf('60000000:x'))
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024)
    assert.ok(decoders.every(decoder => !decoder.atBoundary && decoder.position === 10))
  })

  it('takes nothing more once it met invalid bytes, or its listener threw', () => {
    const nobody = { integer() {}, string() {}, key() {}, open() {}, close() {} }
    const spoilt = new BencodeDecoder(nobody)
    assert.throws(() => spoilt.push(bytesOf('x')), { code: 'ERR_TORRENTFS_BENCODE' })
    const stopped = new BencodeDecoder({
      ...nobody,
      integer() {
        throw new RangeError('enough')
      },
    })
    assert.throws(() => stopped.push(bytesOf('i1e')), { message: 'enough' })
    for (const decoder of [spoilt, stopped])
      assert.throws(() => decoder.push(bytesOf('i1e')), { code: 'ERR_TORRENTFS_CLOSED' })
  })
})

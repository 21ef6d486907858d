import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseByteRange, type ByteRange } from '../../../src/cli/torrent/byte-range.js'
import { isMedia, mediaTypeOf } from '../../../src/cli/torrent/media-types.js'

describe('the range an HTTP request asks for', () => {
  const cases: readonly (readonly [header: string | undefined, length: number, expected: ByteRange])[] = [
    [undefined, 100, 'all'],
    ['bytes=0-', 100, { begin: 0, end: 100 }],
    ['bytes=0-0', 100, { begin: 0, end: 1 }],
    ['Bytes = 10-19', 100, { begin: 10, end: 20 }],
    ['bytes=90-1000', 100, { begin: 90, end: 100 }],
    ['bytes=-10', 100, { begin: 90, end: 100 }],
    ['bytes=-1000', 100, { begin: 0, end: 100 }],
    ['bytes=100-', 100, 'unsatisfiable'],
    ['bytes=-0', 100, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=9-3', 100, 'all'],
    ['bytes=0-1,5-6', 100, 'all'],
    ['items=0-1', 100, 'all'],
    ['bytes=-', 100, 'all'],
    ['bytes=99999999999999999999-', 100, 'all'],
  ]
  for (const [header, length, expected] of cases) {
    it(`${header ?? 'none'} of ${length} bytes is ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(parseByteRange(header, length), expected)
    })
  }
})

describe('the media type of a name', () => {
  it('is what players know, and never one that a browser runs', () => {
    assert.equal(mediaTypeOf('A film.MKV'), 'video/x-matroska')
    assert.equal(mediaTypeOf('page.html'), 'application/octet-stream')
    assert.equal(mediaTypeOf('constructor'), 'application/octet-stream')
    assert.equal(mediaTypeOf('a.constructor'), 'application/octet-stream')
    assert.deepEqual(['a.mp3', 'a.webm', 'a.srt', 'a'].map(isMedia), [true, true, false, false])
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { judgeAnswer, retryAfterMs, type AnswerHeaders } from '../../../src/torrent/webseed/answer.js'
import type { SeedRequest } from '../../../src/torrent/webseed/seed-layout.js'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const url = new URL('http://seed/file')
/** Bytes 100 to 149 of a file of 1000. */
const PART: SeedRequest = { url, range: 'bytes=100-149', first: 100, length: 50, total: 1000 }
const PIECE: SeedRequest = { url, range: undefined, first: 100, length: 50, total: undefined }

const of = (status: number, headers: AnswerHeaders = {}, request = PART): string => {
  const verdict = judgeAnswer(request === PIECE ? 'pieces' : 'files', request, status, headers, NOW)
  switch (verdict.kind) {
    case 'body':
      return `${verdict.length} after ${verdict.skip}`
    case 'redirect':
      return `to ${verdict.location}`
    case 'later':
      return `later ${verdict.afterMs}`
    case 'unusable':
      return 'unusable'
  }
}

test('an answer to a range is taken as it is, or shorter, and as no other range', () => {
  const table: readonly (readonly [AnswerHeaders, string])[] = [
    [{ 'content-range': 'bytes 100-149/1000' }, '50 after 0'],
    [{ 'content-range': 'bytes 100-149/1000', 'content-length': '50' }, '50 after 0'],
    [{ 'content-range': ' Bytes 100-149/* ' }, '50 after 0'],
    [{ 'content-range': 'bytes 100-120/1000', 'content-length': '21' }, '21 after 0'],
    [{ 'content-range': 'bytes 100-149/1000', 'content-encoding': 'identity' }, '50 after 0'],
    [{}, 'unusable'],
    [{ 'content-type': 'multipart/byteranges; boundary=x' }, 'unusable'],
    [{ 'content-range': 'bytes 101-149/1000' }, 'unusable'],
    [{ 'content-range': 'bytes 100-150/1000' }, 'unusable'],
    [{ 'content-range': 'bytes 100-99/1000' }, 'unusable'],
    [{ 'content-range': 'bytes 100-149/1001' }, 'unusable'],
    [{ 'content-range': 'bytes */1000' }, 'unusable'],
    [{ 'content-range': 'items 100-149/1000' }, 'unusable'],
    [{ 'content-range': 'bytes 100-1e2/1000' }, 'unusable'],
    [{ 'content-range': `bytes 100-${'9'.repeat(400)}/1000` }, 'unusable'],
    [{ 'content-range': 'bytes 100-149/1000', 'content-length': '49' }, 'unusable'],
    [{ 'content-range': 'bytes 100-149/1000', 'content-length': '-50' }, 'unusable'],
    [{ 'content-range': 'bytes 100-149/1000', 'content-encoding': 'gzip' }, 'unusable'],
    [{ 'content-range': ['bytes 100-149/1000', 'bytes 0-1/2'] }, '50 after 0'],
  ]
  for (const [headers, expected] of table) assert.equal(of(206, headers), expected, JSON.stringify(headers))
})

test('a whole file is taken for a part near its beginning, and when it is as long as it should be', () => {
  assert.equal(of(200, { 'content-length': '1000' }), '900 after 100')
  assert.equal(of(200), '900 after 100')
  assert.equal(of(200, { 'content-length': '999' }), 'unusable')
  assert.equal(of(200, { 'content-length': '1000', 'content-encoding': 'br' }), 'unusable')
  const total = 1 << 30
  const far = { ...PART, first: total / 2, total }
  assert.equal(of(200, { 'content-length': `${total}` }, far), 'unusable')
  assert.equal(of(200, {}, { ...PART, first: 0 }), '1000 after 0')
})

test('a piece of a BEP 17 seed is as long as was asked for', () => {
  for (const status of [200, 206]) {
    assert.equal(of(status, {}, PIECE), '50 after 0')
    assert.equal(of(status, { 'content-length': '50' }, PIECE), '50 after 0')
    assert.equal(of(status, { 'content-length': '51' }, PIECE), 'unusable')
  }
})

test('statuses say another place, not this file, or not now', () => {
  for (const status of [301, 302, 303, 307, 308]) assert.equal(of(status, { location: '/b' }), 'to /b')
  for (const status of [300, 304, 305]) assert.equal(of(status, { location: '/b' }), 'unusable')
  for (const status of [204, 301, 400, 401, 403, 404, 410, 416, 451]) assert.equal(of(status), 'unusable')
  for (const status of [408, 425, 429, 500, 502, 503, 504, 599]) assert.equal(of(status), 'later undefined')
  assert.equal(of(503, { 'retry-after': '7' }), 'later 7000')
})

test('Retry-After is seconds or a date', () => {
  const after = (text: string): number | undefined => retryAfterMs({ 'retry-after': text }, NOW)
  assert.equal(after('120'), 120_000)
  assert.equal(after(' 0 '), 0)
  assert.equal(after('Thu, 01 Jan 2026 00:01:00 GMT'), 60_000)
  assert.equal(after('Thu, 01 Jan 2015 00:00:00 GMT'), 0)
  for (const text of ['', 'soon', '-5', '1.5', 'Xyz, 99', '2026-01-02'])
    assert.equal(after(text), undefined, text)
})

test('no headers make it throw, or promise bytes beyond the file', () => {
  const value = fc.oneof(fc.string(), fc.array(fc.string()), fc.constant('bytes 100-149/1000'))
  const names = ['content-range', 'content-length', 'content-encoding', 'location', 'retry-after']
  const headers = fc.dictionary(fc.constantFrom(...names), value)
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 999 }), headers, (status, given) => {
      const verdict = judgeAnswer('files', PART, status, given, NOW)
      if (verdict.kind !== 'body') return
      assert.ok(verdict.length > 0 && verdict.length <= 900)
      assert.ok(verdict.skip === 0 || verdict.skip === 100)
    }),
    { numRuns: 5000 },
  )
})

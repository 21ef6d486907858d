import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ReaderWindow } from '../../../src/torrent/core/reader-window.js'

const KIB = 1024
const MIB = 1024 * KIB
const SIZE = 1000 * MIB

/** Reads [from, to) in steps of 128 KiB. */
function readThrough(window: ReaderWindow, from: number, to: number, now = 0): void {
  for (let at = from; at < to; at += 128 * KIB) window.read(at, at + 128 * KIB, now)
}

test('a first read, and scattered reads, fetch nothing ahead', () => {
  const window = new ReaderWindow(0, SIZE, 32 * MIB)
  for (const at of [0, 500 * MIB, 100 * MIB, 900 * MIB, 300 * MIB]) {
    window.read(at, at + 64 * KIB, 0)
    assert.deepEqual(window.windows(0, Infinity), [])
  }
})

test('the window is twice what was read in one go, up to the cap and to the end of the file', () => {
  const window = new ReaderWindow(0, SIZE, 32 * MIB)
  readThrough(window, 0, 4 * MIB)
  assert.deepEqual(window.windows(0, Infinity), [{ begin: 4 * MIB, end: 12 * MIB }])
  readThrough(window, 4 * MIB, 100 * MIB)
  assert.deepEqual(window.windows(0, Infinity), [{ begin: 100 * MIB, end: 132 * MIB }])
  assert.deepEqual(window.windows(0, 5 * MIB), [{ begin: 100 * MIB, end: 105 * MIB }])
  readThrough(window, 100 * MIB, SIZE - MIB)
  assert.deepEqual(window.windows(0, Infinity), [{ begin: SIZE - MIB, end: SIZE }])
})

test('reads of the kernel that come out of order count once', () => {
  const window = new ReaderWindow(0, SIZE, 32 * MIB)
  for (const at of [0, 3, 1, 2, 7, 4, 6, 5]) window.read(at * 128 * KIB, (at + 1) * 128 * KIB, 0)
  const [range] = window.windows(0, Infinity)
  assert.equal(range?.begin, MIB)
  assert.ok(range.end <= 3 * MIB)
})

test('a far jump suspends the window of the old place, and coming back has it at once', () => {
  const window = new ReaderWindow(0, SIZE, 32 * MIB)
  readThrough(window, 0, 4 * MIB)
  window.read(800 * MIB, 800 * MIB + 4 * KIB, 0)
  assert.deepEqual(window.windows(0, Infinity), [])
  readThrough(window, 4 * MIB, 5 * MIB)
  assert.deepEqual(window.windows(0, Infinity), [{ begin: 5 * MIB, end: 15 * MIB }])
})

test('reading that alternates between two places keeps both windows', () => {
  const window = new ReaderWindow(0, SIZE, 32 * MIB)
  for (let i = 0; i < 4; i++) {
    readThrough(window, i * MIB, (i + 1) * MIB)
    readThrough(window, (500 + i) * MIB, (501 + i) * MIB)
  }
  assert.equal(window.windows(0, Infinity).length, 2)
  assert.equal(window.windows(10_000, Infinity).length, 1)
})

test('a lowered reader has no window until it reads again', () => {
  const window = new ReaderWindow(0, SIZE, 32 * MIB)
  readThrough(window, 0, 4 * MIB)
  window.lower()
  assert.deepEqual(window.windows(0, Infinity), [])
  window.read(4 * MIB, 5 * MIB, 0)
  assert.deepEqual(window.windows(0, Infinity), [{ begin: 5 * MIB, end: 15 * MIB }])
})

test('an exact window is there from the first read on, and follows the reader', () => {
  const window = new ReaderWindow(0, SIZE, 32 * MIB)
  window.setReadahead(2 * MIB, true)
  assert.deepEqual(window.windows(0, Infinity), [], 'nobody knows yet where it will read')
  window.read(500 * MIB, 500 * MIB + KIB, 0)
  assert.deepEqual(window.windows(0, Infinity), [{ begin: 500 * MIB + KIB, end: 502 * MIB + KIB }])
  window.read(SIZE - MIB, SIZE - MIB, 0)
  assert.deepEqual(window.windows(0, Infinity), [{ begin: SIZE - MIB, end: SIZE }], 'sought, not read yet')
  window.setReadahead(MIB, false)
  assert.deepEqual(window.windows(0, Infinity), [])
})

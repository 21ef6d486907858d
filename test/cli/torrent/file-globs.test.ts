import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { filesMeant } from '../../../src/cli/torrent/file-globs.js'

const PATHS = [
  'film.mkv',
  'film.srt',
  'extras/making of.mkv',
  'extras/deep/er.MKV',
  'odd [name].txt',
  '.hidden',
]
const FILES = [
  ...PATHS.map(path => ({ path: path.split('/'), pad: false })),
  { path: ['.pad', '1234'], pad: true },
]

describe('the files that patterns mean', () => {
  const cases: readonly (readonly [patterns: readonly string[], expected: readonly string[]])[] = [
    [[], PATHS],
    [['*.mkv'], ['film.mkv', 'extras/making of.mkv']],
    [['./film.srt'], ['film.srt']],
    [['extras/*'], ['extras/making of.mkv']],
    [['extras/**'], ['extras/making of.mkv', 'extras/deep/er.MKV']],
    [
      ['*.{mkv,srt}', '.hid*'],
      ['film.mkv', 'film.srt', 'extras/making of.mkv', '.hidden'],
    ],
    [['odd [name].txt'], ['odd [name].txt']],
    [['**'], PATHS],
    [['*.avi'], []],
    [[''], []],
    [['('], []],
  ]
  for (const [patterns, expected] of cases) {
    it(`${JSON.stringify(patterns)} means ${expected.length} of them`, () => {
      assert.deepEqual(
        filesMeant(FILES, patterns).map(({ path }) => path.join('/')),
        expected,
      )
    })
  }
})

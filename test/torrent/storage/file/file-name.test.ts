import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { candidateNames, chooseName } from '../../../../src/torrent/storage/file/file-name.js'

const HASH = '0123456789abcdef0123456789abcdef01234567'

describe('the name of a torrent in the download folder', () => {
  const table: [string, Record<string, string>, string | undefined][] = [
    ['is its own when that is free', {}, 'film'],
    ['is its own when it owns that', { film: HASH }, 'film'],
    ['has a short infohash when its own belongs to another', { film: 'other' }, 'film [01234567]'],
    ['stays what it was though its own is free now', { 'film [01234567]': HASH }, 'film [01234567]'],
    [
      'has the whole infohash when the short one is taken too',
      { film: 'x', 'film [01234567]': 'y' },
      `film [${HASH}]`,
    ],
    ['is none when all are taken', { film: 'x', 'film [01234567]': 'y', [`film [${HASH}]`]: 'z' }, undefined],
  ]
  for (const [title, owners, expected] of table) {
    it(title, () =>
      assert.equal(
        chooseName('film', HASH, name => owners[name]),
        expected,
      ),
    )
  }

  it('is never that of the state folder', () => {
    assert.equal(
      chooseName('.torrentfs', HASH, () => undefined),
      '.torrentfs [01234567]',
    )
    assert.equal(
      chooseName('.torrentfs', HASH, () => HASH),
      '.torrentfs [01234567]',
    )
  })

  it('has at most 255 bytes and is distinct from the other candidates', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 400 }), name => {
        const candidates = candidateNames(name, HASH)
        assert.equal(new Set(candidates).size, 3)
        for (const candidate of candidates) assert.ok(Buffer.byteLength(candidate) <= 255)
        if (Buffer.byteLength(name) <= 255) assert.equal(candidates[0], name)
      }),
    )
  })
})

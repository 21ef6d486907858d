import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { metainfoKind, plan } from '../../src/watch/plan.js'

const folder = fc.dictionary(
  fc
    .tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.constantFrom('.torrent', '.magnet'))
    .map(parts => parts.join('')),
  fc.constantFrom('1', '2', '3'),
)

describe('plan', () => {
  it('loads exactly what is new or changed and forgets exactly what is gone', () => {
    fc.assert(
      fc.property(folder, folder, (before, after) => {
        const known = new Map(Object.entries(before))
        for (const { kind, name } of plan(known, new Map(Object.entries(after)))) {
          if (kind === 'forget') {
            assert.ok(known.delete(name) && after[name] === undefined)
          } else {
            assert.notEqual(known.get(name), after[name])
            known.set(name, after[name]!)
          }
        }
        assert.deepEqual(Object.fromEntries(known), { ...after })
      }),
    )
  })

  it('has torrents before magnets before what is gone, each by name, whatever order the folder was listed in', () => {
    const known = new Map([
      ['gone.torrent', '1'],
      ['also-gone.magnet', '1'],
      ['same.torrent', '1'],
    ])
    const seen = new Map([
      ['b.magnet', '1'],
      ['z.torrent', '1'],
      ['same.torrent', '1'],
      ['a.magnet', '1'],
      ['y.torrent', '1'],
    ])
    const expected = [
      'load y.torrent',
      'load z.torrent',
      'load a.magnet',
      'load b.magnet',
      'forget also-gone.magnet',
      'forget gone.torrent',
    ]
    assert.deepEqual(
      plan(known, seen).map(({ kind, name }) => `${kind} ${name}`),
      expected,
    )
  })

  for (const [name, kind] of [
    ['a.torrent', 'torrent'],
    ['A.TORRENT', 'torrent'],
    ['.torrent', 'torrent'],
    ['a.magnet', 'magnet'],
    ['a.torrent.part', undefined],
    ['torrent', undefined],
    ['a.torrent.magnet', 'magnet'],
  ] as const) {
    it(`takes "${name}" for ${kind ?? 'none of its business'}`, () => {
      assert.equal(metainfoKind(name), kind)
    })
  }
})

import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  distinctPaths,
  MAX_COMPONENT_BYTES,
  MAX_PATH_BYTES,
  safeComponent,
} from '../../../src/torrent/metainfo/safe-path.js'

const names = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '..',
    'a',
    'b',
    'a (2)',
    'a.txt',
    'a (2).txt',
    '/',
    'a/b',
    '\0',
    '_',
    '__',
    'x'.repeat(300),
    'é'.repeat(200) + '.mkv',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.uint8Array({ maxLength: 300 }),
)

function assertSafe(name: string): void {
  assert.ok(name !== '' && name !== '.' && name !== '..', JSON.stringify(name))

  assert.doesNotMatch(name, /[/\x00-\x1f\x7f]/)
  assert.ok(Buffer.byteLength(name) <= MAX_COMPONENT_BYTES)
  assert.ok(name.isWellFormed())
}

describe('safeComponent', () => {
  it('leaves good names alone', () => {
    for (const name of [
      'a',
      'A',
      '...',
      '.hidden',
      'ünï €',
      '日本語.mkv',
      ' leading',
      'a\\b',
      'x'.repeat(255),
      '🎬',
      '\ufeffbom',
      '~',
    ]) {
      assert.equal(safeComponent(name), name)
      assert.equal(safeComponent(Buffer.from(name)), name)
    }
  })

  it('rewrites bad ones', () => {
    const table: [string | Uint8Array, string][] = [
      ['', '_'],
      ['.', '_'],
      ['..', '__'],
      ['/', '_'],
      ['../../etc/passwd', '.._.._etc_passwd'],
      ['a\0b\nc\x7fd\x9b', 'a_b_c_d_'],
      [Uint8Array.of(0x61, 0xff, 0x62), 'a\ufffdb'],
      ['\ud800', '\ufffd'],
    ]
    for (const [name, safe] of table) assert.equal(safeComponent(name), safe)
  })

  it('cuts long names between characters, keeps the extension, and tells them apart', () => {
    const one = safeComponent('é'.repeat(150) + 'one.mkv')
    const two = safeComponent('é'.repeat(150) + 'two.mkv')
    assert.notEqual(one, two)
    for (const name of [one, two]) {
      assertSafe(name)
      assert.match(name, /^é+~[0-9a-f]{12}\.mkv$/)
    }
    assertSafe(safeComponent('x'.repeat(200) + '.' + 'y'.repeat(200)))
  })

  it('is safe, and the same each time, for any name', () => {
    fc.assert(
      fc.property(names, name => {
        const safe = safeComponent(name)
        assertSafe(safe)
        assert.equal(safeComponent(name), safe)
        assert.equal(safeComponent(safe), safe, 'a safe name needs no change')
      }),
      { numRuns: 1000 },
    )
  })
})

describe('distinctPaths', () => {
  const distinct = (...paths: string[]): string[] =>
    distinctPaths(paths.map(path => path.split('/'))).map(path => path.join('/'))

  it('numbers files of one path, and a file where another has its folder', () => {
    const table: [string[], string[]][] = [
      [
        ['a', 'b', 'c/a'],
        ['a', 'b', 'c/a'],
      ],
      [
        ['a.txt', 'a.txt', 'a.txt'],
        ['a.txt', 'a (2).txt', 'a (3).txt'],
      ],
      [
        ['a', 'a/b'],
        ['a (2)', 'a/b'],
      ],
      [
        ['a/b', 'a'],
        ['a/b', 'a (2)'],
      ],
      [
        ['a/b/c', 'a/b', 'a'],
        ['a/b/c', 'a/b (2)', 'a (2)'],
      ],
      [
        ['a', 'a', 'a (2)'],
        ['a', 'a (3)', 'a (2)'],
      ],
      [
        ['a', 'a', 'a (2)/x'],
        ['a', 'a (3)', 'a (2)/x'],
      ],
      [
        ['.x', '.x'],
        ['.x', '.x (2)'],
      ],
      [
        ['A', 'a'],
        ['A', 'a'],
      ],
    ]
    for (const [paths, expected] of table) assert.deepEqual(distinct(...paths), expected)
  })

  it('gives paths too long to be opened one name each', () => {
    const deep = new Array<string>(2000).fill('d')
    const [one, two] = distinctPaths([
      [...deep, 'one.mkv'],
      [...deep, 'two', 'one.mkv'],
    ])
    assert.equal(one!.length, 1)
    assert.equal(two!.length, 1)
    assert.match(one![0]!, /^one~[0-9a-f]{12}\.mkv$/)
    assert.notDeepEqual(one, two)
  })

  it('loses no file, lets no two meet, and gives the same each time', () => {
    const component = names.map(safeComponent)
    const lists = fc.array(fc.array(component, { minLength: 1, maxLength: 4 }), { maxLength: 30 })
    fc.assert(
      fc.property(lists, paths => {
        const result = distinctPaths(paths)
        assert.equal(result.length, paths.length)
        assert.deepEqual(distinctPaths(paths), result)
        const joined = result.map(path => path.join('/'))
        const files = new Set(joined)
        assert.equal(files.size, joined.length)
        for (const path of result) {
          path.forEach(assertSafe)
          for (let depth = 1; depth < path.length; depth++) {
            assert.ok(!files.has(path.slice(0, depth).join('/')), 'a folder is no file')
          }
          const whole = path.join('/')
          assert.ok(Buffer.byteLength(whole) <= MAX_PATH_BYTES + 16)
          assert.equal(posix.join('/root', whole), `/root/${whole}`, 'nothing climbs out')
        }
      }),
      { numRuns: 500 },
    )
  })

  it('takes a hundred thousand files of one name in its stride', () => {
    const began = performance.now()
    const paths = distinctPaths(new Array<string[]>(100_000).fill(['same', 'x'.repeat(255)]))
    assert.equal(new Set(paths.map(path => path.join('/'))).size, 100_000)
    assert.ok(performance.now() - began < 5000)
  })
})

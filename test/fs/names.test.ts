import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { legalName, markedName, NAME_MAX, rootName } from '../../src/fs/names.js'

function isLegal(name: string): boolean {
  const bytes = Buffer.from(name)
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    !/[/\0]/.test(name) &&
    bytes.length <= NAME_MAX &&
    bytes.toString() === name
  )
}

const anyName = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.array(fc.nat(0xffff), { maxLength: 300 }).map(units => String.fromCharCode(...units)),
  fc.constantFrom(
    '',
    '.',
    '..',
    '/',
    '\0',
    '../..',
    'a/b',
    '.mkv',
    'x'.repeat(300),
    '🎬'.repeat(64) + 'a',
    '\ud800',
  ),
)

describe('names', () => {
  test('are legal whatever they were made from', () => {
    fc.assert(fc.property(anyName, name => isLegal(legalName(name))))
  })

  test('stay as they are when they are legal', () => {
    fc.assert(fc.property(anyName, name => legalName(legalName(name)) === legalName(name)))
    for (const name of ['a', 'Ä.mkv', '-rf', 'a\nb', '...', ' ', 'x'.repeat(255)])
      assert.equal(legalName(name), name)
  })

  test('are legal with a mark, too, and keep the mark whole', () => {
    const hash = '0123456789abcdef0123456789abcdef01234567'
    fc.assert(
      fc.property(anyName, fc.nat(8), fc.boolean(), (name, attempt, isFile) => {
        const marked = rootName(legalName(name), hash, isFile, attempt)
        assert.ok(isLegal(marked), marked)
        if (attempt > 0) assert.ok(marked.includes(' [01234567'), marked)
      }),
    )
  })

  test('differ from attempt to attempt', () => {
    const hash = 'f'.repeat(40)
    const names = Array.from({ length: 8 }, (_, attempt) => rootName('x'.repeat(255), hash, true, attempt))
    assert.equal(new Set(names).size, 8)
  })

  const marks = [
    ['film.mkv', true, 'film [m].mkv'],
    ['film.mkv', false, 'film.mkv [m]'],
    ['README', true, 'README [m]'],
    ['.profile', true, '.profile [m]'],
    ['Vol. 1 of a very long title', true, 'Vol. 1 of a very long title [m]'],
  ] as const
  for (const [name, isFile, want] of marks) {
    test(`a ${isFile ? 'file' : 'folder'} "${name}" is marked as "${want}"`, () => {
      assert.equal(markedName(name, '[m]', isFile), want)
    })
  }
})

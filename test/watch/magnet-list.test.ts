import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { magnetWords } from '../../src/watch/magnet-list.js'

describe('magnetWords', () => {
  for (const [title, text, words] of [
    ['nothing in an empty file', '', []],
    ['words set apart by any white space', 'a\tb\r\nc  d\n', ['a', 'b', 'c', 'd']],
    ['no word that begins with #', '#a b # c #', ['b', 'c']],
    ['a # inside a word', 'magnet:?dn=a#b', ['magnet:?dn=a#b']],
    ['each word once', 'a b a', ['a', 'b']],
    ['no byte-order mark', '\uFEFFa', ['a']],
  ] as const) {
    it(`finds ${title}`, () => {
      assert.deepEqual(magnetWords(text), words)
    })
  }
})

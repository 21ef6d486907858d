import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { coloursFor } from '../../../src/cli/torrent/colours.js'
import { printable } from '../../../src/cli/torrent/context.js'

describe('colours', () => {
  const cases: readonly (readonly [isTerminal: boolean, env: Record<string, string>, has: boolean])[] = [
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [true, { FORCE_COLOR: '0' }, false],
    [false, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ]
  for (const [isTerminal, env, has] of cases) {
    it(`${has ? 'are' : 'are not'} there ${isTerminal ? 'on' : 'without'} a terminal with ${JSON.stringify(env)}`, () => {
      assert.equal(coloursFor(isTerminal, env).red('x'), has ? '\x1b[31mx\x1b[39m' : 'x')
    })
  }

  it('never come from a name: what would move the cursor is shown instead', () => {
    assert.equal(printable('a\x1b[2J\nb\u202ec é 😀'), 'a\\u001b[2J\\u000ab\\u202ec é 😀')
  })
})

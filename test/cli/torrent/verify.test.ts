/** `torrent verify`, as a user runs it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFileSync, cpSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createTorrent } from '../../../src/torrent/create.js'
import type { Outcome } from '../../support/child.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const scope = new Scope()
after(() => scope.close())
const folder = scope.folder('torrentfs-verify-')
const PIECE = 16384
/** Whole pieces, so that no file but the small ones shares one with another. */
const FILES = [
  ['1 big', 64 * PIECE],
  ['2 small', 100],
  ['3 small', 200],
  ['4 rest', 2 * PIECE - 300],
  ['5 empty', 0],
  ['6 last', 3 * PIECE + 5],
] as const

before(async () => {
  const root = join(folder, 'whole', 'content')
  mkdirSync(root, { recursive: true })
  for (const [name, length] of FILES) writeFileSync(join(root, name), randomBytes(length))
  writeFileSync(join(folder, 'content.torrent'), await createTorrent(root, { pieceLength: PIECE }))
  writeFileSync(join(folder, 'single.torrent'), await createTorrent(join(root, '6 last')))
})

async function verify(...args: string[]): Promise<Outcome> {
  return torrentCommand(scope, ['verify', ...args], { cwd: folder })
}

/** A copy of the content, changed by `change`, and what is said of it. */
async function statesAfter(change: (root: string) => void | Promise<void>): Promise<{
  code: number | null
  text: string
  states: Record<string, string>
}> {
  const copy = scope.folder()
  cpSync(join(folder, 'whole'), copy, { recursive: true })
  await change(join(copy, 'content'))
  const { stdout } = await verify('content.torrent', '--data', copy)
  const { code, stdout: json } = await verify('content.torrent', '--data', copy, '--json')
  const { files } = JSON.parse(json) as { files: { path: string; state: string }[] }
  return {
    code,
    text: stdout,
    states: Object.fromEntries(files.filter(({ state }) => state !== 'good').map(f => [f.path, f.state])),
  }
}

async function overwrite(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write('changed', position)
  await file.close()
}

describe('torrent verify', { timeout: 120_000 }, () => {
  it('finds good what is good, with 0', async () => {
    const { code, stdout, stderr } = await verify('content.torrent', '-d', 'whole')
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
    for (const [name] of FILES) assert.ok(stdout.includes(`good       content/${name}\n`), stdout)
    assert.match(stdout, /^all good: 6 files, 1\.1 MB$/m)
    const quiet = await verify('content.torrent', '-d', 'whole', '--quiet', '--workers', '2')
    assert.deepEqual([quiet.code, quiet.stdout], [0, ''])
    const single = await verify('single.torrent', '-d', 'whole/content')
    assert.deepEqual([single.code, single.stdout.split('\n')[0]], [0, 'good       6 last'])
  })

  it('names the file with a changed byte, and no other, with 1', async () => {
    const { code, states, text } = await statesAfter(root => overwrite(join(root, '1 big'), 100_000))
    assert.equal(code, 1)
    assert.deepEqual(states, { 'content/1 big': 'damaged' })
    assert.match(text, /^damaged {4}content\/1 big \(1\.0 MB of 1\.0 MB good\)$/m)
    assert.match(
      text,
      /^1 file of 6 not good, 68 of 70 pieces good$|^1 file of 6 not good, 69 of 70 pieces good$/m,
    )
  })

  it('tells what is missing, incomplete or too long from what it cannot tell of', async () => {
    const missing = await statesAfter(root => rmSync(join(root, '2 small')))
    assert.equal(missing.code, 1)
    assert.deepEqual(missing.states, {
      'content/2 small': 'missing',
      'content/3 small': 'uncertain',
      'content/4 rest': 'uncertain',
    })
    const short = await statesAfter(root => truncateSync(join(root, '1 big'), 20 * PIECE + 1))
    assert.deepEqual(short.states, { 'content/1 big': 'incomplete' })
    assert.match(short.text, /^incomplete content\/1 big \(328 kB of 1\.0 MB good\)$/m)
    const long = await statesAfter(root => appendFileSync(join(root, '6 last'), 'more'))
    assert.deepEqual([long.code, long.states], [1, { 'content/6 last': 'too long' }])
    const empty = await statesAfter(root => rmSync(join(root, '5 empty')))
    assert.deepEqual([empty.code, empty.states], [1, { 'content/5 empty': 'missing' }])
    const nothing = await statesAfter(root => rmSync(root, { recursive: true }))
    assert.equal(Object.values(nothing.states).filter(state => state === 'missing').length, 6)
  })

  const wrong: readonly (readonly [args: readonly string[], status: number, message: RegExp])[] = [
    [[], 2, /missing required argument 'TORRENT'/],
    [['absent.torrent'], 1, /cannot read absent\.torrent: no such file/],
    [['whole/content/1 big'], 1, /1 big: not a valid metainfo file/],
    [['content.torrent', '--data', ''], 2, /--data=: expected a folder/],
    [['content.torrent', '--workers', 'all'], 2, /--workers=all: expected a whole number/],
  ]
  for (const [args, status, message] of wrong) {
    it(`ends with ${status} and one line for "verify ${args.join(' ')}"`, async () => {
      const { code, stdout, stderr } = await verify(...args)
      assert.equal(code, status, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.match(stderr, /^torrent verify: [^\n]+\n$/)
    })
  }
})

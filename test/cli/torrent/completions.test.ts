/** `torrent completions`, asked of the shells themselves. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { completionScript } from '../../../src/cli/torrent/completion-scripts.js'
import { commands } from '../../../src/cli/torrent/commands.js'
import { check } from '../../support/child.js'
import { skipWithout } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const scope = new Scope()
after(() => scope.close())
const folder = scope.folder('torrentfs-completions-')

before(() => {
  mkdirSync(join(folder, 'a folder'))
  writeFileSync(join(folder, 'a file'), '')
  for (const shell of ['bash', 'zsh', 'fish'] as const)
    writeFileSync(join(folder, `script.${shell}`), completionScript(shell, commands))
})

/** What bash offers for the last of the words. */
async function bash(...words: string[]): Promise<string[]> {
  const script = `source script.bash; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _torrent; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = await check(scope, 'bash', ['-c', script, 'bash', 'torrent', ...words], {
    cwd: folder,
  })
  assert.equal(stderr, '')
  return stdout.trimEnd().split('\n')
}

async function fish(line: string): Promise<string[]> {
  const { stdout } = await check(
    scope,
    'fish',
    ['-c', `source script.fish; complete -C ${JSON.stringify(line)}`],
    {
      cwd: folder,
      env: { HOME: folder },
    },
  )
  return stdout
    .trimEnd()
    .split('\n')
    .map(offer => offer.split('\t')[0]!)
}

describe('torrent completions', { timeout: 120_000 }, () => {
  it('are printed for a shell that is named, and for no other', async () => {
    const printed = await torrentCommand(scope, ['completions', 'bash'])
    assert.equal(printed.code, 0)
    assert.equal(printed.stdout, completionScript('bash', commands))
    const wrong = await torrentCommand(scope, ['completions', 'tcsh'])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /^torrent completions: SHELL tcsh: expected one of bash, zsh, fish \(see.*\n$/)
  })

  it('offer commands, options, words and files in bash', async () => {
    const names = commands.map(({ name }) => name)
    assert.deepEqual((await bash('')).sort(), ['help', ...names].sort())
    assert.deepEqual(await bash('cre'), ['create'])
    assert.deepEqual(await bash('help', 'met'), ['metainfo'])
    assert.deepEqual(await bash('bencode', ''), ['json', 'encode'])
    assert.deepEqual(await bash('create', '--piece'), ['--piece-length'])
    assert.deepEqual(await bash('bencode', 'json', '--l'), ['--lenient'])
    assert.deepEqual(await bash('completions', 'f'), ['fish'])
    assert.deepEqual((await bash('create', 'a')).sort(), ['a file', 'a folder'])
    assert.deepEqual((await bash('create', '--output', 'a f')).sort(), ['a file', 'a folder'])
    assert.deepEqual(await bash('verify', '--data', 'a'), ['a folder'])
    assert.deepEqual(await bash('create', '--comment', 'a'), [''])
  })

  it('offer the same in fish', { skip: skipWithout('fish') }, async () => {
    assert.deepEqual(await fish('torrent cre'), ['create'])
    assert.deepEqual((await fish('torrent bencode ')).sort(), ['encode', 'json'])
    assert.deepEqual(await fish('torrent create --piece'), ['--piece-length'])
    assert.deepEqual(await fish('torrent bencode json --l'), ['--lenient'])
    assert.deepEqual(await fish('torrent completions b'), ['bash'])
    assert.deepEqual(await fish('torrent verify --data a'), ['a folder/'])
  })

  it('are known to zsh', { skip: skipWithout('zsh') }, async () => {
    const script = 'autoload -Uz compinit; compinit -u -D; source script.zsh; print -r -- $_comps[torrent]'
    const { stdout, stderr } = await check(scope, 'zsh', ['-fc', script], { cwd: folder })
    assert.equal(stderr, '')
    assert.match(stdout, /_torrent/)
  })
})

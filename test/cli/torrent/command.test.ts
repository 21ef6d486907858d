/** The `torrent` command as a process: its outputs, its exit statuses, its start. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { commands } from '../../../src/cli/torrent/commands.js'
import type { Command } from '../../../src/cli/torrent/command.js'
import { torrentEntry } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const scope = new Scope()
after(() => scope.close())

/** The words that call each command that does something. */
function callsOf(list: readonly Command[], words: readonly string[] = []): string[][] {
  return list.flatMap(({ name, commands: inner }) =>
    inner.length === 0 ? [[...words, name]] : callsOf(inner, [...words, name]),
  )
}

describe('the torrent command', { timeout: 120_000 }, () => {
  it('prints its version, and the same as JSON', async () => {
    const plain = await torrentCommand(scope, ['version'])
    assert.equal(plain.code, 0)
    assert.equal(plain.stderr, '')
    assert.match(plain.stdout, /^torrent \d+\.\d+\.\d+ \(Node\.js \d+\.\d+\.\d+\)\n$/)
    const json = await torrentCommand(scope, ['version', '--json'])
    assert.deepEqual(Object.keys(JSON.parse(json.stdout) as object), ['torrentfs', 'node'])
  })

  it('lists every command in its help', async () => {
    const { code, stdout } = await torrentCommand(scope, ['--help'])
    assert.equal(code, 0)
    for (const { name, summary } of commands) assert.ok(stdout.includes(`  ${name} `), `${name}: ${summary}`)
  })

  it('shows the help of one command, and names one that it does not have', async () => {
    const known = await torrentCommand(scope, ['help', 'create'])
    assert.equal(known.code, 0)
    assert.match(known.stdout, /^Usage: torrent create /)
    const unknown = await torrentCommand(scope, ['help', 'nope'])
    assert.equal(unknown.code, 2)
    assert.equal(unknown.stdout, '')
    assert.equal(unknown.stderr, "torrent: unknown command 'nope' (see torrent --help)\n")
  })

  it('shows an example of each command', () => {
    const all = commands.flatMap(command => (command.commands.length === 0 ? [command] : command.commands))
    for (const { examples = [], name } of all) {
      assert.ok(examples.length > 0, `${name} has no example`)
      for (const [line] of examples) assert.match(line, /\btorrent /, name)
    }
  })

  it('runs nothing of the engine to print help', () => {
    const listing = `import { Module } from 'node:module'
      process.on('exit', () => {
        for (const name of [...process.moduleLoadList, ...Object.keys(Module._cache)]) process._rawDebug(name)
      })`
    const run = (...words: string[]): { status: number | null; stderr: string } =>
      spawnSync(
        process.execPath,
        ['--import', `data:text/javascript,${encodeURIComponent(listing)}`, torrentEntry, ...words],
        { encoding: 'utf8', timeout: 20_000 },
      )
    // The engine has threads.
    assert.match(run('verify', 'nothing').stderr, /^NativeModule worker_threads$/m)
    const { status, stderr } = run('--help')
    assert.equal(status, 0)
    assert.match(stderr, /\/commander\//, 'packages are listed')
    assert.doesNotMatch(stderr, /^NativeModule worker_threads$|\/cli-progress\//m)
  })

  for (const words of callsOf(commands)) {
    it(`ends with 2 and one line for a wrong option of "${words.join(' ')}"`, async () => {
      const { code, stdout, stderr } = await torrentCommand(scope, [...words, '--no-such-option'])
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.match(
        stderr,
        new RegExp(`^torrent ${words.join(' ')}: unknown option '--no-such-option'.*--help\\)\\n$`),
      )
    })
  }

  it('ends with 2 and one line for a command there is not', async () => {
    const { code, stdout, stderr } = await torrentCommand(scope, ['verson'])
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.equal(stderr, "torrent: unknown command 'verson' (did you mean version?) (see torrent --help)\n")
  })

  it('fails with one line when its output cannot be written', () => {
    const full = openSync('/dev/full', 'w')
    try {
      const { status, stderr } = spawnSync(process.execPath, [torrentEntry, 'version'], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
        timeout: 20_000,
      })
      assert.equal(status, 1)
      assert.match(stderr, /^torrent: cannot write to standard output: ENOSPC.*\n$/)
    } finally {
      closeSync(full)
    }
  })
})

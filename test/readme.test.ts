/**
 * What the README says of the package, held against the package.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { run } from './support/child.js'
import { projectRoot } from './support/project.js'
import { Scope } from './support/scope.js'
import { torrentCommand } from './support/torrent-command.js'

const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8')

describe('the README', { timeout: 120_000 }, () => {
  const scope = new Scope()
  after(() => scope.close())

  const parts = /^## Parts that are useful alone\n(.*?)^## /ms.exec(readme)![1]!
  const blocks = [...parts.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code!)
  for (const code of blocks) {
    const entry = /'(torrentfs\/\w+)'/.exec(code)![1]!
    it(`shows an example of ${entry} that prints what stands behind it`, async () => {
      const folder = scope.folder()
      mkdirSync(join(folder, 'node_modules'))
      symlinkSync(projectRoot, join(folder, 'node_modules', 'torrentfs'))
      writeFileSync(join(folder, 'example.mjs'), code)
      const {
        code: status,
        stdout,
        stderr,
      } = await run(scope, process.execPath, ['example.mjs'], { cwd: folder })
      assert.deepEqual([status, stderr], [0, ''])
      const expected = [...code.matchAll(/console\.log\(.*\),? \/\/ (.*)$/gm)].map(([, line]) => line!)
      assert.ok(expected.length > 0)
      assert.deepEqual(stdout.trimEnd().split('\n'), expected)
    })
  }

  it('shows an example of each entry', () => {
    const { exports } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    for (const entry of ['bencode', 'metainfo', 'tracker', 'wire']) {
      assert.ok(`./${entry}` in exports)
      assert.ok(
        blocks.some(code => code.includes(`'torrentfs/${entry}'`)),
        entry,
      )
    }
  })

  it('shows each subcommand of torrent at work', async () => {
    const section = /^## The `torrent` command\n(.*?)^## /ms.exec(readme)![1]!
    const commands = async (...group: string[]): Promise<string[]> => {
      const { stdout } = await torrentCommand(scope, [...group, '--help'])
      return [.../^Commands:\n((?: {2,}.*\n)+)/m.exec(stdout)![1]!.matchAll(/^ {2}(\S+)/gm)].map(
        ([, name]) => name!,
      )
    }
    const names = await commands()
    assert.ok(names.includes('download') && names.includes('lsd'))
    const groups = ['bencode', 'dht', 'lsd']
    const below = await Promise.all(
      groups.map(async group => (await commands(group)).map(name => `${group} ${name}`)),
    )
    for (const name of [...names, ...below.flat()]) {
      if (name !== 'help') assert.match(section, new RegExp(`^\\$ (.* \\| )?torrent ${name}[ \\n]`, 'm'))
    }
  })
})

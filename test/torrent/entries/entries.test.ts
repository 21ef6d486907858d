/**
 * What package.json gives out, as who installed the package imports it: a process of its own for each entry.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { sourcesOf } from '../../support/bundle-sources.js'
import { buildRoot, projectRoot } from '../../support/project.js'

interface Loaded {
  /** Packages of which some module was evaluated. */
  readonly packages: readonly string[]
  /** Folders of the engine, and `fs`, `watch`, `cli`. */
  readonly parts: readonly string[]
  /** Native binaries. */
  readonly binaries: readonly string[]
  readonly names: readonly string[]
}

/** Tells each module's URL as it is resolved, from the thread that does so. */
const HOOKS = `
import { writeSync } from 'node:fs'
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context)
  writeSync(1, 'MODULE ' + resolved.url + '\\n')
  return resolved
}`

const PROBE = `
const { createRequire, register } = await import('node:module')
register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}))
const entry = await import(process.argv[1])
const { cache } = createRequire(process.cwd() + '/x.js')
const { sharedObjects } = process.report.getReport()
const files = [...Object.keys(cache), ...sharedObjects]
process.stdout.write('\\n' + files.map(file => 'FILE ' + file + '\\n').join('') + 'NAMES ' + Object.keys(entry).join() + '\\n')
`

const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  exports: Record<string, { types: string; default: string }>
}

async function load(entry: string): Promise<Loaded> {
  const file = manifest.exports[entry]!.default.replace('./dist', buildRoot)
  const run = promisify(execFile)
  const { stdout } = await run(
    process.execPath,
    ['--input-type=module', '-e', PROBE, pathToFileURL(file).href],
    { cwd: projectRoot, timeout: 60_000 },
  )
  const after = (word: string): string[] =>
    stdout
      .split('\n')
      .filter(line => line.startsWith(`${word} `))
      .map(line => line.slice(word.length + 1))
  const loaded = [...after('MODULE'), ...after('FILE')]
  const files = [...loaded, ...loaded.flatMap(sourcesOf)]
  assert.ok(loaded.length > 0, 'the process told what it loaded')
  const found = (pattern: RegExp): string[] =>
    [...new Set(files.flatMap(path => pattern.exec(path)?.[1] ?? []))].sort()
  return {
    packages: found(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//),
    parts: found(/\/src\/((?:torrent\/(?:[a-z]+(?=\/))?|[a-z]+(?=\/)))/).map(part => part.replace(/\/$/, '')),
    binaries: files.filter(path => path.endsWith('.node')),
    names: after('NAMES')[0]!.split(','),
  }
}

describe('the entries of the package', () => {
  it('are files of the build, with their types', () => {
    const { exports } = manifest
    assert.deepEqual(Object.keys(exports), [
      '.',
      './fs',
      './watch',
      './bencode',
      './tracker',
      './metainfo',
      './wire',
    ])
    for (const { types, default: file } of Object.values(exports)) {
      for (const path of [types, file]) readFileSync(join(buildRoot, path.replace('./dist', '.')))
    }
  })

  it('give the engine without FUSE, a command line, a log writer, or any native binary', async () => {
    const { packages, parts, binaries, names } = await load('.')
    assert.deepEqual(binaries, [])
    const heavy = [
      'chokidar',
      'commander',
      'cli-progress',
      'fuse-native',
      'koffi',
      'lmdb',
      'pino',
      'pino-pretty',
    ]
    assert.deepEqual(
      packages.filter(name => heavy.includes(name)),
      [],
    )
    assert.deepEqual(
      parts.filter(part => !/^(torrent|native)/.test(part)),
      [],
    )
    assert.ok(names.includes('Client') && packages.length > 0 && parts.includes('torrent/core'))
  })

  it('load no native binary before a mount asks for one', async () => {
    for (const entry of ['./fs', './watch']) {
      const { binaries, packages } = await load(entry)
      assert.deepEqual(binaries, [], entry)
      assert.deepEqual(
        packages.filter(name => /^(koffi|fuse-native)$/.test(name)),
        [],
        entry,
      )
    }
  })

  it('give each reusable part with little else', async () => {
    const network = ['peer', 'core', 'data', 'storage', 'webseed', 'extensions']
    const table = [
      {
        entry: './bencode',
        name: 'BencodeNode',
        without: [...network, 'discovery', 'net', 'wire', 'pieces'],
      },
      { entry: './metainfo', name: 'parseMetainfo', without: [...network, 'discovery', 'net', 'wire'] },
      { entry: './wire', name: 'MessageDecoder', without: [...network, 'discovery', 'net'] },
      { entry: './tracker', name: 'TrackerClient', without: network },
    ]
    for (const { entry, name, without } of table) {
      const { binaries, parts, names } = await load(entry)
      assert.deepEqual(binaries, [], entry)
      assert.deepEqual(
        parts.filter(part => without.some(other => part === `torrent/${other}`)),
        [],
        entry,
      )
      assert.ok(names.includes(name) && names.includes('TorrentError'), `${entry}: ${names.join()}`)
    }
  })
})

/**
 * The package as who installs it gets it: packed, installed in an empty project, imported, compiled against, run.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { check, run } from './support/child.js'
import { projectRoot } from './support/project.js'
import { Scope } from './support/scope.js'

const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  name: string
  version: string
  exports: Record<string, unknown>
}
const entries = Object.keys(manifest.exports).map(entry => manifest.name + entry.slice(1))

/** What a program in TypeScript does with each entry. */
const PROGRAM = `
import { Client, type Torrent } from 'torrentfs'
import * as fs from 'torrentfs/fs'
import * as watch from 'torrentfs/watch'
import { decodeBencode, encodeBencode, type BencodeValue } from 'torrentfs/bencode'
import { TrackerClient, TrackerServer } from 'torrentfs/tracker'
import { createTorrent, formatMagnet, parseMetainfo, type Metainfo } from 'torrentfs/metainfo'
import { encodeHandshake, MessageDecoder, type WireMessage } from 'torrentfs/wire'
export const value: BencodeValue = decodeBencode(encodeBencode({ a: 1n }))
export type Known = Torrent | Metainfo | WireMessage
export const all = [Client, fs, watch, TrackerClient, TrackerServer, createTorrent, formatMagnet, parseMetainfo]
export const wire = [encodeHandshake, MessageDecoder]
`

describe('the package, installed in an empty project', { timeout: 300_000 }, () => {
  const scope = new Scope()
  let project: string

  before(async () => {
    const folder = scope.folder()
    project = join(folder, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{"name":"empty","private":true,"type":"module"}')
    const npm = async (cwd: string, ...args: string[]): Promise<void> => {
      await check(scope, 'npm', args, { cwd, deadlineMs: 200_000 })
    }
    await npm(projectRoot, 'pack', '--ignore-scripts', '--pack-destination', folder)
    const tarball = join(folder, `${manifest.name}-${manifest.version}.tgz`)
    // Each package sees what it declares and nothing else, as with pnpm; no package may run a script.
    const strict = [
      '--install-strategy=linked',
      '--ignore-scripts',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
    ]
    await npm(project, 'install', ...strict, tarball, '@types/node@20')
  })
  after(() => scope.close())

  it('gives each of its entries to an import', async () => {
    const code = `for (const entry of ${JSON.stringify(entries)}) {
      const names = Object.keys(await import(entry))
      if (names.length === 0) throw new Error(entry)
      console.log(entry)
    }`
    const { stdout } = await check(scope, process.execPath, ['--input-type=module', '-e', code], {
      cwd: project,
    })
    assert.deepEqual(stdout.trim().split('\n'), entries)
  })

  it('compiles with its types checked, whichever way modules are resolved', async () => {
    writeFileSync(join(project, 'program.mts'), PROGRAM)
    const compiler = join(projectRoot, 'node_modules', 'typescript-7', 'bin', 'tsc')
    for (const [module, resolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ] as const) {
      const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022']
      const how = ['--module', module, '--moduleResolution', resolution]
      const outcome = await run(scope, process.execPath, [compiler, ...options, ...how, 'program.mts'], {
        cwd: project,
      })
      assert.deepEqual([outcome.code, outcome.stdout], [0, ''], resolution)
    }
  })

  it('has commands that run', async () => {
    for (const [command, args] of [
      ['torrent', ['version']],
      ['torrentfs', ['--version']],
    ] as const) {
      const { stdout } = await check(scope, join(project, 'node_modules', '.bin', command), args, {
        cwd: project,
      })
      assert.ok(stdout.startsWith(`${command} ${manifest.version}`), stdout)
    }
  })

  it('hashes and verifies in its worker threads', async () => {
    const torrent = join(project, 'node_modules', '.bin', 'torrent')
    writeFileSync(join(project, 'content'), 'x'.repeat(100_000))
    await check(scope, torrent, ['create', 'content', '--output', 'content.torrent'], { cwd: project })
    const { stdout } = await check(scope, torrent, ['verify', 'content.torrent', '--json'], { cwd: project })
    assert.match(stdout, /"good": true/)
  })

  it('does one thing with each reusable part', async () => {
    const code = `
      import { decodeBencode } from 'torrentfs/bencode'
      import { formatMagnet, parseMagnet } from 'torrentfs/metainfo'
      import { TrackerClient, TrackerServer } from 'torrentfs/tracker'
      import { encodeHandshake } from 'torrentfs/wire'
      const infohash = '01'.repeat(20)
      const server = await TrackerServer.listen({ http: [{ host: '127.0.0.1', port: 0 }] })
      const client = new TrackerClient()
      const url = new URL('http://127.0.0.1:' + server.http[0].port + '/announce')
      const bytes = Buffer.from(infohash, 'hex')
      const request = { infohash: bytes, peerId: bytes, port: 1, uploaded: 0, downloaded: 0, left: 0, numWant: 1, key: 1 }
      const { seeders } = await client.announce(url, request)
      client.close()
      await server.close()
      const handshake = encodeHandshake({ infohash: bytes, peerId: bytes, fast: true, extensions: true, dht: true })
      const magnet = parseMagnet(formatMagnet({ infohash }))
      console.log(JSON.stringify([decodeBencode(Buffer.from('i7e')), magnet.infohash, seeders, handshake.length]))`
    const { stdout } = await check(scope, process.execPath, ['--input-type=module', '-e', code], {
      cwd: project,
    })
    assert.deepEqual(JSON.parse(stdout), [7, '01'.repeat(20), 1, 68])
  })
})

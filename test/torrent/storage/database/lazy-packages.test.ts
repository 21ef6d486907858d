import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../fixture.js'

const INDEX = new URL('../../../../src/torrent/index.js', import.meta.url).href

/** Runs a script in a process of its own; it prints which shared libraries and which of our packages it has loaded. */
function loadedBy(script: string, folder: string): string {
  const report = `
    const { sharedObjects } = process.report.getReport()
    const { createRequire } = await import('node:module')
    const cached = Object.keys(createRequire(import.meta.url).cache)
    console.log([...sharedObjects, ...cached].join('\\n'))`
  const source = `const torrentfs = await import(${JSON.stringify(INDEX)});${script};${report}`
  return execFileSync(process.execPath, ['--input-type=module', '-e', source], {
    cwd: folder,
    encoding: 'utf8',
  })
}

describe('the packages of databases', () => {
  it('are not loaded by who imports the library and makes storages, but by the first write', async t => {
    const folder = await temporaryFolder(t)
    const made = `
      const storages = [new torrentfs.SqliteStorage('a.db'), new torrentfs.KvStorage('a.kv'),
        new torrentfs.SqliteCompletion('b.db'), new torrentfs.KvCompletion('b.kv')]
      for (const storage of storages) await storage.close()`
    assert.doesNotMatch(loadedBy(made, folder), /lmdb|sqlite/i)
    const stores = `
      const { Geometry } = await import(${JSON.stringify(new URL('../pieces/geometry.js', INDEX).href.replace('/src/pieces/', '/src/torrent/pieces/'))})
      const files = [{ path: ['a'], offset: 0, length: 1, pad: false }]
      const geometry = new Geometry({ length: 1, pieceLength: 16384, files })
      const torrent = { infohash: '0'.repeat(40), geometry, pieceHashes: new Uint8Array(20), files }
      const storage = new torrentfs.KvStorage('a.kv')
      await (await storage.open(torrent)).store(0, new Uint8Array(1))
      globalThis.keep = storage`
    assert.match(loadedBy(stores + ';setTimeout(() => process.exit(), 0)', folder), /lmdb/)
  })
})

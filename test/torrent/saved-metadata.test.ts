import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parseMetainfo } from '../../src/torrent/index.js'
import { SavedMetadata } from '../../src/torrent/saved-metadata.js'
import { folderOf, madeTorrent } from './client-fixture.js'

describe('saved metadata', () => {
  it('is what was saved, and nothing once it was removed, also while it was being saved', async t => {
    const folder = await folderOf(t)
    const { metainfo, infohash } = await madeTorrent(t)
    const { raw } = parseMetainfo(metainfo).info
    const saved = new SavedMetadata(folder)
    await Promise.all([saved.save(infohash, raw), saved.saveMetainfo(infohash, metainfo)])
    assert.deepEqual(await saved.load(infohash), Buffer.from(raw))
    assert.deepEqual(await saved.loadMetainfo(infohash), Buffer.from(metainfo))
    await saved.remove(infohash)
    const saving = saved.save(infohash, raw)
    await Promise.all([saving, saved.remove(infohash)])
    assert.deepEqual(await readdir(join(folder, '.torrentfs')), [])
    assert.equal(await saved.load(infohash), undefined)
  })

  it('counts as none when it is damaged', async t => {
    const folder = await folderOf(t)
    const { metainfo, infohash } = await madeTorrent(t)
    const saved = new SavedMetadata(folder)
    await saved.saveMetainfo(infohash, metainfo)
    await writeFile(join(folder, '.torrentfs', `${infohash}.torrent`), 'd4:infoi1ee')
    await writeFile(join(folder, '.torrentfs', `${infohash}.info`), 'de')
    assert.equal(await saved.loadMetainfo(infohash), undefined)
    assert.equal(await saved.load(infohash), undefined)
  })

  it('is kept nowhere without a folder', async () => {
    const saved = new SavedMetadata(undefined)
    await saved.save('0'.repeat(40), new Uint8Array(1))
    assert.equal(await saved.load('0'.repeat(40)), undefined)
    await saved.remove('0'.repeat(40))
  })
})

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { FileStorage } from '../../../../src/torrent/storage/file/file-storage.js'
import { atEnd, makeFixture, mixedFixture, temporaryFolder, type Fixture } from '../fixture.js'

interface Stored {
  readonly root: string
  readonly storage: FileStorage
  readonly fixture: Fixture
}

/** A torrent that has everything and is closed. */
async function stored(t: TestContext, fixture: Fixture = mixedFixture()): Promise<Stored> {
  const root = await temporaryFolder(t)
  const storage = new FileStorage({ root })
  atEnd(t, () => storage.close())
  await storeIn(storage, fixture)
  return { root, storage, fixture }
}

async function storeIn(storage: FileStorage, { torrent, content }: Fixture): Promise<void> {
  const opened = await storage.open(torrent)
  await opened.writeAt(content, 0)
  for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) opened.markStored(piece)
  await opened.close()
}

describe('removing a torrent from the file storage', () => {
  it('leaves nothing of it but the list of names, not even empty folders', async t => {
    const fixture = makeFixture({
      files: [
        { path: ['t', 'a'], length: 40_000 },
        { path: ['t', 'deep', 'er', 'b'], length: 40_000 },
        { path: ['t', 'none'], length: 0 },
      ],
    })
    const { root, storage } = await stored(t, fixture)
    assert.deepEqual(readdirSync(join(root, 't')).sort(), ['a', 'deep', 'none'])
    await storage.remove(fixture.torrent)
    assert.deepEqual(readdirSync(root), ['.torrentfs'])
    assert.deepEqual(readdirSync(join(root, '.torrentfs')), ['names'])
  })

  it('leaves what others put into its folder, and the folders that hold it', async t => {
    const { root, storage, fixture } = await stored(t)
    mkdirSync(join(root, 'mixed', 'mine'))
    writeFileSync(join(root, 'mixed', 'mine', 'note'), 'x')
    await storage.remove(fixture.torrent)
    assert.deepEqual(readdirSync(join(root, 'mixed')), ['mine'])
    assert.equal(readFileSync(join(root, 'mixed', 'mine', 'note'), 'utf8'), 'x')
  })

  it('deletes nothing behind a symbolic link that took the place of its folder', async t => {
    const { root, storage, fixture } = await stored(t)
    const elsewhere = join(await temporaryFolder(t), 'elsewhere')
    mkdirSync(elsewhere)
    const names = readdirSync(join(root, 'mixed'))
    for (const name of names) writeFileSync(join(elsewhere, name), 'not ours')
    renameSync(join(root, 'mixed'), join(root, 'moved'))
    symlinkSync(elsewhere, join(root, 'mixed'))
    await storage.remove(fixture.torrent)
    assert.deepEqual(readdirSync(elsewhere).sort(), names.sort())
    assert.ok(existsSync(join(root, 'moved')))
  })

  it('leaves files of its name that it never wrote to', async t => {
    const root = await temporaryFolder(t)
    const fixture = mixedFixture()
    mkdirSync(join(root, 'mixed'))
    writeFileSync(join(root, 'mixed', 'tiny'), 'not')
    const storage = new FileStorage({ root })
    atEnd(t, () => storage.close())
    await (await storage.open(fixture.torrent)).close()
    await storage.remove(fixture.torrent)
    assert.equal(readFileSync(join(root, 'mixed', 'tiny'), 'utf8'), 'not')
  })

  it('gives the name free for another torrent, also after a restart', async t => {
    const { root, storage, fixture } = await stored(t)
    await storage.remove(fixture.torrent)
    const other = mixedFixture('mixed', 2)
    await storeIn(storage, other)
    await storage.close()
    const later = new FileStorage({ root })
    atEnd(t, () => later.close())
    const opened = await later.open(other.torrent)
    assert.equal(opened.stored.full, true)
    assert.equal(opened.layout.name, 'mixed')
    const first = await later.open(fixture.torrent)
    assert.equal(first.layout.name.startsWith('mixed ['), true, first.layout.name)
    assert.deepEqual([first.stored.count, first.suspect.count], [0, 0])
  })

  it('leaves a folder that took the place of a file, and deletes the rest', async t => {
    const { root, storage, fixture } = await stored(t)
    rmSync(join(root, 'mixed', 'tiny'))
    mkdirSync(join(root, 'mixed', 'tiny', 'inside'), { recursive: true })
    await storage.remove(fixture.torrent)
    assert.deepEqual(readdirSync(join(root, 'mixed')), ['tiny'])
    assert.deepEqual(readdirSync(join(root, 'mixed', 'tiny')), ['inside'])
  })

  it('says what it cannot give up, and deletes everything when asked again', async t => {
    const { root, storage, fixture } = await stored(t)
    const names = join(root, '.torrentfs', 'names')
    renameSync(names, `${names}.kept`)
    mkdirSync(names)
    await assert.rejects(storage.remove(fixture.torrent), (error: Error) => error.message.includes(names))
    rmSync(names, { recursive: true })
    renameSync(`${names}.kept`, names)
    await storage.remove(fixture.torrent)
    assert.deepEqual(readdirSync(root), ['.torrentfs'])
  })
})

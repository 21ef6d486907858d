import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { decodeTables, SavedNodes } from '../../../../src/torrent/discovery/dht/saved-nodes.js'
import { silentLogger, type Logger } from '../../../../src/torrent/logger.js'
import { bytesOf, chanceOf } from './virtual-network.js'

const random = bytesOf(chanceOf(1))

async function scene(t: TestContext): Promise<{ path: string; saved: SavedNodes; warnings: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'torrentfs-dht-'))
  t.after(() => rm(folder, { recursive: true }))
  const warnings: string[] = []
  const logger: Logger = { ...silentLogger, warn: (_, message) => warnings.push(message) }
  const path = join(folder, '.torrentfs', 'dht')
  return { path, saved: new SavedNodes(path, logger), warnings }
}

const contacts4 = Array.from({ length: 500 }, (_, index) => {
  return { id: random(20), host: `9.9.${index >> 8}.${index & 255}`, port: 1 + index }
})
const contacts6 = [{ id: random(20), host: '2001:db8::1', port: 6881 }]

test('tables are read back as they were, the first 400 nodes of each', async t => {
  const { saved, path, warnings } = await scene(t)
  assert.deepEqual(await saved.load(), {})
  const [a, b] = [random(20), random(20)]
  await saved.save({ 4: { id: a, contacts: contacts4 }, 6: { id: b, contacts: contacts6 } })
  assert.deepEqual(await saved.load(), {
    4: { id: a, contacts: contacts4.slice(0, 400) },
    6: { id: b, contacts: contacts6 },
  })
  // An empty table does not take the place of a good one.
  await saved.save({ 4: { id: a, contacts: [] } })
  assert.equal((await saved.load())[6]?.contacts.length, 1)
  assert.deepEqual(await readdir(join(path, '..')), ['dht'])
  assert.deepEqual(warnings, [])
})

test('a damaged file counts as none, with a warning', async t => {
  const { saved, path, warnings } = await scene(t)
  await saved.save({ 4: { id: random(20), contacts: contacts4 } })
  for (const bytes of [
    Buffer.from('garbage'),
    Buffer.alloc(0),
    Buffer.alloc(1024 * 1024),
    Buffer.from('d2:n4d2:id3:abc5:nodes0:ee'),
    Buffer.from(`${'l'.repeat(5000)}${'e'.repeat(5000)}`),
  ]) {
    await writeFile(path, bytes)
    warnings.length = 0
    assert.deepEqual(await saved.load(), {})
    assert.equal(warnings.length, 1)
  }
})

test('nothing that lies in the file makes reading it throw', () => {
  for (let index = 0; index < 2000; index++) decodeTables(random(index % 300))
})

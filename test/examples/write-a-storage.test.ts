import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { output, until } from '../support/fs-process.js'
import { projectRoot } from '../support/project.js'
import { clientOf, folderOf, madeTorrent } from '../torrent/client-fixture.js'

const EXAMPLE = join(projectRoot, 'examples', 'write-a-storage.mjs')

describe('the example of a storage', () => {
  it('keeps a download, and has it the next time', { timeout: 120_000 }, async t => {
    const { metainfo, infohash, downloadDir } = await madeTorrent(t)
    const seeder = await clientOf(t, { downloadDir })
    const seeded = seeder.addNow(metainfo)
    await seeded.whenReady()
    seeded.download()
    await until('the seed is verified', 30_000, () => seeded.status().storedBytes === 110_000)
    const folder = await folderOf(t)
    const file = join(folder, 'set.torrent')
    await writeFile(file, metainfo)
    const run = async (): Promise<string> =>
      (
        await output(
          process.execPath,
          [EXAMPLE, file, join(folder, 'data'), `127.0.0.1:${seeder.port}`],
          60_000,
        )
      ).toString()
    assert.equal(await run(), '0 of 110000 bytes were here already\nset is complete: 110000 bytes came\n')
    const pieces = await readdir(join(folder, 'data', infohash))
    assert.deepEqual(
      pieces.sort(),
      [...Array(7).keys()].map(piece => `${piece}.br`),
    )
    assert.equal(await run(), '110000 of 110000 bytes were here already\nset is complete: 0 bytes came\n')
  })

  it('is what the README shows, in 40 lines', async () => {
    const source = await readFile(EXAMPLE, 'utf8')
    const shown = /\/\/ --- the storage\n(.*?)\/\/ ---\n/s.exec(source)![1]!
    const readme = await readFile(join(projectRoot, 'README.md'), 'utf8')
    assert.ok(readme.includes(`\`\`\`js\n${shown}\`\`\`\n`), 'the README has another text')
    assert.ok(shown.trimEnd().split('\n').length <= 42, `${shown.split('\n').length} lines`)
  })
})

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FileCompletion } from '../../../../src/torrent/storage/completion/file-completion.js'
import { bitsOf, singleFixture, temporaryFolder } from '../fixture.js'
import { describeCompletion } from './completion-conformance.js'

describeCompletion('file', (folder, bootId) => new FileCompletion(join(folder, 'state'), { bootId }))

describe('the files of a completion', () => {
  it('are none before the first mark', async t => {
    const folder = await temporaryFolder(t)
    const kept = await new FileCompletion(folder).open(singleFixture().torrent)
    await kept.close()
    assert.deepEqual(readdirSync(folder), [])
  })

  it('count as none when a bit of them is wrong, they are cut or too long, or no file at all', async t => {
    const folder = await temporaryFolder(t)
    const { torrent } = singleFixture()
    const kept = await new FileCompletion(folder).open(torrent)
    await kept.set(5, true)
    const path = join(folder, `${torrent.infohash}.pieces`)
    const good = readFileSync(path)
    const found = async (): Promise<number[]> =>
      bitsOf((await new FileCompletion(folder).open(torrent)).stored)
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at]! ^= 1 << (at % 8)
      writeFileSync(path, bad)
      assert.deepEqual(await found(), [], `byte ${at}`)
    }
    for (const length of [0, 1, good.length - 1]) {
      writeFileSync(path, good.subarray(0, length))
      assert.deepEqual(await found(), [], `${length} bytes`)
    }
    // A length that must not be believed: it would be a terabyte in memory.
    truncateSync(path, 2 ** 40)
    assert.deepEqual(await found(), [])
    rmSync(path)
    mkdirSync(path)
    assert.deepEqual(await found(), [])
    rmSync(path, { recursive: true })
    writeFileSync(path, good)
    assert.deepEqual(await found(), [5])
  })

  it('that cannot be written are named, and written when they can be', async t => {
    const folder = join(await temporaryFolder(t), 'state')
    writeFileSync(folder, 'in the way')
    const { torrent } = singleFixture()
    const kept = await new FileCompletion(folder).open(torrent).catch((error: unknown) => error)
    // A file where the folder should be: nothing can be read there either.
    assert.match(String(kept), new RegExp(`${torrent.infohash}\\.pieces`))
    rmSync(folder)
    const later = await new FileCompletion(folder).open(torrent)
    writeFileSync(folder, 'in the way again')
    await assert.rejects(later.set(1, true), { code: 'ERR_TORRENTFS_STORAGE', message: /\.pieces/ })
    rmSync(folder)
    await later.set(2, true)
    assert.deepEqual(bitsOf((await new FileCompletion(folder).open(torrent)).stored), [1, 2])
  })
})

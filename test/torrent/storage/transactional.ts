/** What is asked of storages that keep bytes and marks in one transaction, beside the suite of all storages. */
import assert from 'node:assert/strict'
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { KINDS, storageAt, type TransactionalKind } from './transactional-kinds.js'
import { atEnd, bitsOf, singleFixture, smallDisk, temporaryFolder } from './fixture.js'

const CHILD = fileURLToPath(new URL('./transactional-child.js', import.meta.url))
const PIECE = 16_384

/** Registers the tests of one kind. */
export function describeTransactional(kind: TransactionalKind): void {
  const file = KINDS[kind]

  describe(`a ${kind} storage as a file`, { timeout: 120_000 }, () => {
    it('is made by the first write', async t => {
      const folder = await temporaryFolder(t)
      const storage = storageAt(kind, folder)
      atEnd(t, () => storage.close())
      const { torrent, piece } = singleFixture()
      const opened = await storage.open(torrent)
      assert.equal(await opened.readAt(new Uint8Array(10), 0), 0)
      await opened.evict!(0)
      await storage.remove(singleFixture('other').torrent)
      assert.deepEqual(readdirSync(folder), [])
      await opened.store!(0, piece(0))
      assert.ok(readdirSync(folder).includes(file))
    })

    it('has every piece it said was stored, and no other, each time its process is killed', async t => {
      const folder = await temporaryFolder(t)
      const fixture = singleFixture('killed.bin', 400 * PIECE)
      const said = new Set<number>()
      const check = async (run: number): Promise<void> => {
        const storage = storageAt(kind, folder)
        const torrent = await storage.open(fixture.torrent)
        for (const piece of said) assert.ok(torrent.stored.get(piece), `run ${run}: piece ${piece} is lost`)
        for (const piece of bitsOf(torrent.stored)) {
          const bytes = new Uint8Array(PIECE)
          assert.equal(
            await torrent.readAt(bytes, piece * PIECE),
            PIECE,
            `run ${run}: piece ${piece} is short`,
          )
          assert.deepEqual(bytes, fixture.piece(piece), `run ${run}: piece ${piece} is wrong`)
        }
        await storage.close()
      }
      for (let run = 0; run < 4; run++) {
        const child = fork(CHILD, [kind, folder], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
        const wanted = said.size + 30 + 17 * run
        child.on('message', (piece: number) => said.add(piece))
        while (said.size < wanted) await once(child, 'message')
        child.kill('SIGKILL')
        await once(child, 'close')
        await check(run)
      }
    })

    it('that fills the disk says so by name, keeps what it has, and goes on when there is space', async t => {
      const folder = await smallDisk(t, '6M')
      if (folder === undefined) return
      const storage = storageAt(kind, folder)
      atEnd(t, () => storage.close())
      const { torrent, piece } = singleFixture('large.bin', 700 * PIECE)
      const opened = await storage.open(torrent)
      let failed: unknown
      let next = 0
      for (; failed === undefined && next < 700; next++) {
        failed = await opened.store!(next, piece(next)).then(
          () => undefined,
          (error: unknown) => error,
        )
      }
      const error = failed as { code?: string; message: string } | undefined
      assert.equal(error?.code, 'ERR_TORRENTFS_DISK_FULL', error?.message)
      assert.ok(error.message.includes(join(folder, file)), error.message)
      const kept = bitsOf(opened.stored)
      assert.equal(kept.length, next - 1)
      const readAll = async (): Promise<void> => {
        for (const index of bitsOf(opened.stored)) {
          const bytes = new Uint8Array(PIECE)
          assert.equal(await opened.readAt(bytes, index * PIECE), PIECE)
          assert.deepEqual(bytes, piece(index), `piece ${index}`)
        }
      }
      await readAll()
      execFileSync('mount', ['-o', 'remount,size=40M', folder])
      for (let index = kept.length; index < kept.length + 20; index++)
        await opened.store!(index, piece(index))
      assert.equal(opened.stored.count, kept.length + 20)
      await readAll()
    })

    it('uses the room of what was given up again', async t => {
      const folder = await smallDisk(t, '24M')
      if (folder === undefined) return
      const storage = storageAt(kind, folder)
      atEnd(t, () => storage.close())
      const { torrent, piece } = singleFixture('much.bin', 2000 * PIECE)
      const opened = await storage.open(torrent)
      // 31 MiB through 24 MiB, of which 3 MiB at a time are kept.
      for (let index = 0; index < 2000; index++) {
        await opened.store!(index, piece(index))
        if (index >= 200) await opened.evict!(index - 200)
      }
      assert.equal(opened.stored.count, 200)
    })

    it('that is not its own is named, and left as it is', async t => {
      const folder = await temporaryFolder(t)
      const path = join(folder, file)
      writeFileSync(path, 'This is somebody’s diary, and no database at all.\n'.repeat(2000))
      const storage = storageAt(kind, folder)
      atEnd(t, () => storage.close())
      await assert.rejects(storage.open(singleFixture().torrent), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_TORRENTFS_STORAGE')
        assert.ok(error.message.includes(path), error.message)
        return true
      })
    })
  })
}

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FileStorage } from '../../../src/torrent/storage/file/file-storage.js'
import type { StorageTorrent } from '../../../src/torrent/storage/storage.js'
import { bitsOf, temporaryFolder } from '../storage/fixture.js'
import { killFixture } from './kill-fixture.js'
import { openStore } from './store-fixture.js'

const CHILD = fileURLToPath(new URL('./kill-child.js', import.meta.url))
const RUNS = 15

/** Starts a child that stores pieces; `said` gets those that it says are stored. */
function start(root: string, run: number, said: Set<number>): ChildProcess {
  const child = fork(CHILD, [root, String(run)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.on('message', (piece: number) => said.add(piece))
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'close')
}

/** A piece as anyone sees it in the files, past our own reading. */
function onDisk(torrent: StorageTorrent, piece: number, root: string): Buffer {
  const offset = torrent.geometry.pieceOffset(piece)
  const bytes = Buffer.alloc(torrent.geometry.pieceSize(piece))
  for (const segment of torrent.geometry.segments(offset, offset + bytes.length)) {
    const fd = openSync(join(root, ...torrent.files[segment.file]!.path), 'r')
    readSync(fd, bytes, segment.offset - offset, segment.length, segment.fileOffset)
    closeSync(fd)
  }
  return bytes
}

describe('a process that stores pieces and is killed', { timeout: 120_000 }, () => {
  it(`loses no piece it said was stored and trusts no wrong byte, ${RUNS} times over`, async t => {
    const root = await temporaryFolder(t)
    const { torrent, piece } = killFixture()
    let state = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    t.diagnostic(`seed ${state}`)
    const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 0x7fffffff
    const said = new Set<number>()
    let stored = 0
    let hashed = 0
    for (let run = 0; run < RUNS; run++) {
      const child = start(root, run, said)
      await once(child, 'message')
      await new Promise(resolve => setTimeout(resolve, random() * (run % 2 === 0 ? 120 : 40)))
      await kill(child)

      const { storage, store, target, close } = await openStore(t, new FileStorage({ root }), torrent)
      for (const index of said) {
        assert.ok(
          storage.stored.get(index) || storage.suspect.get(index),
          `run ${run}: piece ${index} is lost`,
        )
      }
      for (const index of bitsOf(storage.stored)) {
        assert.ok(onDisk(torrent, index, root).equals(piece(index)), `run ${run}: piece ${index} is wrong`)
      }
      const suspects = bitsOf(storage.suspect)
      const outcomes = await Promise.all(suspects.map(index => store.verify(target, index)))
      for (const [position, index] of suspects.entries()) {
        if (said.has(index)) assert.equal(outcomes[position], 'good', `run ${run}: piece ${index}`)
      }
      hashed += suspects.length
      stored += storage.stored.count
      // Now and then everything starts over, so that there is always something to store.
      if (storage.stored.count > torrent.geometry.pieceCount * 0.7) {
        for (let index = 0; index < torrent.geometry.pieceCount; index++) storage.markMissing(index)
        said.clear()
      }
      await close()
    }
    t.diagnostic(`${stored} pieces found stored, ${hashed} of them after hashing`)
    assert.ok(stored > RUNS)
  })

  it('does not trust files that were changed between its death and the next start', async t => {
    const root = await temporaryFolder(t)
    const { torrent } = killFixture()
    const said = new Set<number>()
    const child = start(root, 0, said)
    while (said.size < 5) await once(child, 'message')
    await kill(child)
    for (const file of readdirSync(join(root, 'killed'))) {
      writeFileSync(join(root, 'killed', file), new Uint8Array(1_500_000), { flag: 'r+' })
    }
    const { storage } = await openStore(t, new FileStorage({ root }), torrent)
    assert.equal(storage.stored.count, 0)
    for (const index of said) assert.ok(storage.suspect.get(index), `piece ${index}`)
  })
})

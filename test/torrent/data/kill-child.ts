/** Stores the missing pieces of the kill test's torrent, eight at a time in random order, and tells each one that is stored. */
import { PieceStore } from '../../../src/torrent/data/piece-store.js'
import { FileStorage } from '../../../src/torrent/storage/file/file-storage.js'
import { killFixture } from './kill-fixture.js'

const [, , root, run] = process.argv
const { torrent, piece } = killFixture()
const parts = new FileStorage({ root: root!, checkpointMs: 15, quietMs: 0 })
const storage = await parts.open(torrent)
const store = new PieceStore()
const target = store.attach(torrent, storage)
const left = [...Array(torrent.geometry.pieceCount).keys()].filter(index => !storage.stored.get(index))
left.sort((a, b) => ((a * 7919 + Number(run)) % 1009) - ((b * 7919 + Number(run)) % 1009))
await Promise.all(
  Array.from({ length: 8 }, async () => {
    const slab = store.acquireSlab(torrent.geometry.pieceLength)
    for (let index = left.pop(); index !== undefined; index = left.pop()) {
      slab.bytes.set(piece(index))
      const outcome = await store.store(target, index, slab)
      if (outcome.kind !== 'stored') throw new Error(JSON.stringify(outcome))
      process.send!(index)
      // Every other run as fast as it goes: then it is killed while it writes.
      if (Number(run) % 2 === 0) await new Promise(resolve => setTimeout(resolve, 1))
    }
  }),
)
setInterval(() => {}, 1000)

/** Stores the missing pieces of the kill test's torrent, four at a time, gives some up again, and tells each one that is stored. */
import { singleFixture } from './fixture.js'
import { storageAt, type TransactionalKind } from './transactional-kinds.js'

const [, , kind, folder] = process.argv
const { torrent, piece } = singleFixture('killed.bin', 400 * 16_384)
const storage = await storageAt(kind as TransactionalKind, folder!).open(torrent)
const left = [...Array(torrent.geometry.pieceCount).keys()].filter(index => !storage.stored.get(index))
await Promise.all(
  Array.from({ length: 4 }, async () => {
    for (let index = left.pop(); index !== undefined; index = left.pop()) {
      await storage.store!(index, piece(index))
      if (index % 5 !== 0) process.send!(index)
      // Never told of: it may be there or not, but not by half.
      else await storage.evict!(index)
    }
  }),
)
setInterval(() => {}, 1000)

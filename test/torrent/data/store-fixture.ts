/** A piece store over a storage, for tests. */
import type { TestContext } from 'node:test'
import { atEnd } from '../storage/fixture.js'
import { PieceStore } from '../../../src/torrent/data/piece-store.js'
import type { StoreOutcome, StoreTarget } from '../../../src/torrent/data/piece-store.js'
import type { Storage, StorageTorrent, TorrentStorage } from '../../../src/torrent/storage/storage.js'

export interface OpenedStore {
  readonly store: PieceStore
  readonly storage: TorrentStorage
  readonly target: StoreTarget
  /** Stores `bytes` as a piece. */
  put(piece: number, bytes: Uint8Array, o?: { blockDigests?: boolean }): Promise<StoreOutcome>
  close(): Promise<void>
}

/** Opens a torrent with a store of its own; everything is closed when the test ends. */
export async function openStore(
  t: TestContext,
  parts: Storage,
  torrent: StorageTorrent,
): Promise<OpenedStore> {
  const store = new PieceStore()
  const storage = await parts.open(torrent)
  const target = store.attach(torrent, storage)
  const close = async (): Promise<void> => {
    await store.close()
    await storage.close()
    await parts.close()
  }
  atEnd(t, close)
  return {
    store,
    storage,
    target,
    close,
    async put(piece, bytes, o) {
      const slab = store.acquireSlab(torrent.geometry.pieceSize(piece))
      slab.bytes.set(bytes)
      try {
        return await store.store(target, piece, slab, o)
      } finally {
        store.releaseSlab(slab)
      }
    },
  }
}

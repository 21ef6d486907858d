/**
 * Torrents as a folder of objects that are named by their pieces' hashes: the same piece of two torrents lies there once.
 */
import { silentLogger, type Logger } from '../../logger.js'
import { PieceStorage } from '../pieces/piece-storage.js'
import { BlobBackend } from './blob-backend.js'
import { FolderObjects } from './folder-objects.js'

/** How a {@link BlobStorage} is made. */
export interface BlobStorageOptions {
  /** Created by the first write. */
  readonly folder: string
  /** Default: silent. */
  readonly logger?: Logger
}

/** Few: the system caches files itself. */
const CACHE_BYTES = 8 * 1024 * 1024

/** A `Storage` in a folder of objects. */
export class BlobStorage extends PieceStorage {
  constructor(o: BlobStorageOptions) {
    super(new BlobBackend(new FolderObjects(o.folder), { cacheBytes: CACHE_BYTES }), {
      logger: o.logger ?? silentLogger,
    })
  }
}

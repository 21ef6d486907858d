/**
 * Torrents in a bucket of an S3-compatible server, as objects that are named by their pieces' hashes.
 */
import { silentLogger } from '../../logger.js'
import { BlobBackend } from '../blob/blob-backend.js'
import { PieceStorage } from '../pieces/piece-storage.js'
import { S3Objects } from './s3-objects.js'
import { s3Place, type S3StorageOptions } from './s3-options.js'

const CACHE_BYTES = 32 * 1024 * 1024
/** How long `close` lets requests end by themselves, in ms. */
const CLOSE_MS = 3000

/** A `Storage` in a bucket, which must exist. */
export class S3Storage extends PieceStorage {
  readonly #objects: S3Objects

  /** @throws ERR_TORRENTFS_ARGUMENT naming the option */
  constructor(o: S3StorageOptions) {
    const objects = new S3Objects(s3Place(o))
    super(new BlobBackend(objects, { cacheBytes: o.cacheBytes ?? CACHE_BYTES }), {
      logger: o.logger ?? silentLogger,
    })
    this.#objects = objects
  }

  override async close(): Promise<void> {
    // A server that does not answer must not keep the program.
    const timer = setTimeout(() => void this.#objects.close(), CLOSE_MS)
    try {
      await super.close()
    } finally {
      clearTimeout(timer)
    }
  }
}

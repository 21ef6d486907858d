/**
 * The entry of a hashing thread: runs of pieces in, digests out. The work is the hasher's.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf, TorrentError } from '../errors.js'
import { ContentHasher, type HashedContent } from './content-hasher.js'
import type { HashAnswer, HashJob } from './hash-pool.js'

const port = parentPort
if (port === null) throw new Error('hash-worker is the entry of a worker thread')

const hasher = new ContentHasher(workerData as HashedContent)
port.on('message', ({ first, end }: HashJob) => {
  hasher.hash(first, end).then(
    digests => port.postMessage({ first, end, digests } satisfies HashAnswer),
    (error: unknown) => {
      const code = error instanceof TorrentError ? error.code : 'ERR_TORRENTFS_STORAGE'
      port.postMessage({ first, end, failure: { code, message: messageOf(error) } } satisfies HashAnswer)
    },
  )
})

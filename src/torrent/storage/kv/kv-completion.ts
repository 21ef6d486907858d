/**
 * Completion in an LMDB file, for bytes that lie elsewhere.
 *
 * Owns the file while it is open.
 */
import { resolve } from 'node:path'
import { KeptCompletion } from '../completion/kept-completion.js'
import type { KeptCompletionOptions } from '../completion/kept-completion.js'
import { DatabaseMarks } from '../database/database-pieces.js'
import { DatabaseThread } from '../database/database-thread.js'

/** A `Completion` in a key-value store. Needs what `KvStorage` needs. */
export class KvCompletion extends KeptCompletion {
  /** @param path the file; made by the first mark, with its folder */
  constructor(path: string, o: KeptCompletionOptions = {}) {
    const worker = new URL('./kv-worker.js', import.meta.url)
    super(new DatabaseMarks(new DatabaseThread(resolve(path), { worker, exclusive: false })), o)
  }
}

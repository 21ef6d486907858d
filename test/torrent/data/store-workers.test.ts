import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { readyStoreWorker, takeStoreWorker } from '../../../src/torrent/data/store-workers.js'

const MODULE = new URL('../../../src/torrent/data/store-workers.js', import.meta.url)

describe('a store worker that is readied', () => {
  it('is the next one that is taken, once', async t => {
    const before = takeStoreWorker()
    t.after(() => before.terminate())
    readyStoreWorker()
    readyStoreWorker()
    const ready = takeStoreWorker()
    t.after(() => ready.terminate())
    assert.equal(ready.threadId, before.threadId + 1)
    const next = takeStoreWorker()
    t.after(() => next.terminate())
    assert.equal(next.threadId, ready.threadId + 1)
  })

  it('keeps no program alive', async () => {
    const program = `import { readyStoreWorker } from '${MODULE.href}'; readyStoreWorker(); console.log('done')`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program],
      { timeout: 20_000 },
    )
    assert.equal(stdout, 'done\n')
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { makeStorage, parseStorage } from '../../src/cli/storage-choice.js'
import { UsageError } from '../../src/cli/usage-error.js'
import { silentLogger } from '../../src/torrent/index.js'
import { temporaryFolder } from '../torrent/storage/fixture.js'

describe('the storage flag', () => {
  it('takes each kind with what belongs to it', async t => {
    const place = { downloadDir: await temporaryFolder(t), partFiles: false, logger: silentLogger }
    const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
    const before = { ...process.env }
    Object.assign(process.env, env)
    t.after(() => (process.env = before))
    for (const [text, choice, made] of [
      ['file', { kind: 'file', rest: '' }, 'FileStorage'],
      ['mmap', { kind: 'mmap', rest: '' }, 'MmapStorage'],
      ['memory', { kind: 'memory', rest: '' }, 'MemoryStorage'],
      ['sqlite', { kind: 'sqlite', rest: '' }, 'SqliteStorage'],
      ['sqlite:films.db', { kind: 'sqlite', rest: 'films.db' }, 'SqliteStorage'],
      ['kv:/some/where', { kind: 'kv', rest: '/some/where' }, 'KvStorage'],
      ['blob', { kind: 'blob', rest: '' }, 'BlobStorage'],
      ['blob:/some/where:else', { kind: 'blob', rest: '/some/where:else' }, 'BlobStorage'],
      ['s3://bucket/a?region=x', { kind: 's3', rest: 's3://bucket/a?region=x' }, 'S3Storage'],
    ] as const) {
      assert.deepEqual(parseStorage(text), choice, text)
      const storage = makeStorage(choice, place)
      assert.equal(storage.constructor.name, made)
      await storage.close()
    }
  })

  it('refuses others, and tells how each is written', () => {
    for (const [text, message] of [
      ['', /"" is no storage: file, mmap/],
      ['disk', /"disk" is no storage: file, mmap/],
      ['toString', /is no storage/],
      ['file:/tmp', /it is written file$/],
      ['blob:', /it is written blob:DIR$/],
      ['sqlite:', /it is written sqlite:FILE$/],
      ['s3:bucket', /s3:\/\/bucket/],
      ['s3://bucket?secret=x', /secret= is unknown/],
    ] as const) {
      assert.throws(
        () => parseStorage(text),
        (error: Error) => error instanceof UsageError && message.test(error.message),
        text,
      )
    }
  })
})

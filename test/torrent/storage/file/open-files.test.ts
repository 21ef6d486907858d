import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OpenFiles } from '../../../../src/torrent/storage/file/open-files.js'

function cache(max: number): { files: OpenFiles<{ fd: number }>; closed: number[] } {
  const closed: number[] = []
  return { files: new OpenFiles({ max, close: ({ fd }) => closed.push(fd) }), closed }
}

describe('the cache of open files', () => {
  it('closes the least recently used file when there are too many', () => {
    const { files, closed } = cache(2)
    files.keep('a', { fd: 1 })
    files.keep('b', { fd: 2 })
    files.peek('a')
    files.keep('c', { fd: 3 })
    assert.deepEqual(closed, [2])
  })

  it('closes a file that is in use only when its last use ends', () => {
    const { files, closed } = cache(1)
    files.keep('a', { fd: 1 })
    const first = files.use('a')!
    const second = files.use('a')!
    files.keep('b', { fd: 2 })
    assert.deepEqual(closed, [])
    first.done()
    assert.deepEqual(closed, [])
    second.done()
    assert.deepEqual(closed, [1])
  })

  it('does not close a file that is kept when its use ends', () => {
    const { files, closed } = cache(1)
    files.keep('a', { fd: 1 })
    files.use('a')!.done()
    assert.deepEqual(closed, [])
    assert.equal(files.use('a')!.file.fd, 1)
  })

  it('closes what it is told to drop, by key and by prefix', () => {
    const { files, closed } = cache(9)
    for (const [index, key] of ['/x/1', '/x/2', '/y/1'].entries()) files.keep(key, { fd: index })
    files.drop('/x/1')
    files.dropAll('/x/')
    assert.deepEqual(closed, [0, 1])
    files.dropAll()
    assert.deepEqual(closed, [0, 1, 2])
    assert.equal(files.size, 0)
  })
})

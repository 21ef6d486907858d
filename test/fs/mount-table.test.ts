import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isMounted, mountAt, parseMountTable } from '../../src/fs/mount-table.js'

describe('the mount table', () => {
  test('tells device, place and type, with and without optional fields, and undoes escapes', () => {
    const text = [
      '22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw',
      '40 22 0:52 / /mnt/a\\040b\\134c\\012\\303\\274 ro,nosuid - fuse.torrentfs torrentfs ro,user_id=0',
      'nonsense',
      '',
    ].join('\n')
    assert.deepEqual(parseMountTable(text), [
      { device: '254:0', mountPoint: '/', type: 'ext4' },
      { device: '0:52', mountPoint: '/mnt/a b\\c\nü', type: 'fuse.torrentfs' },
    ])
  })

  test('finds what is mounted here, and nothing where nothing is', async () => {
    const proc = await mountAt('/proc')
    assert.equal(proc?.type, 'proc')
    assert.equal(await isMounted(proc.device, '/proc'), true)
    assert.equal(await isMounted(proc.device, '/nowhere'), false)
    assert.equal(await mountAt('/proc/self'), undefined)
  })
})

/**
 * Notifications, byte by byte.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  writeInvalidateEntry,
  writeInvalidateInode,
} from '../../../../../src/fs/backends/kernel/protocol/notifications.js'
import { REPLY_SAMPLES } from './reply-samples.js'
import { assertWrites } from './written-bytes.js'

const NODE = 0x123456789abc

describe('a notification', () => {
  it('has attributes forgotten', () => {
    assertWrites(
      (out, at) => writeInvalidateInode(out, at, NODE, -1, 0),
      REPLY_SAMPLES['inval_inode attributes'],
    )
  })

  it('has a range forgotten, beyond 4 GiB too', () => {
    assertWrites(
      (out, at) => writeInvalidateInode(out, at, NODE, 0x123456789000, 0x100000001),
      REPLY_SAMPLES['inval_inode range'],
    )
  })

  it('has a name forgotten', () => {
    const name = Buffer.from('Käse.mkv')
    assertWrites((out, at) => writeInvalidateEntry(out, at, 1, name), REPLY_SAMPLES['inval_entry'])
  })

  it('has names of any length forgotten, the header saying how long the message is', () => {
    for (let length = 1; length <= 255; length++) {
      const out = Buffer.alloc(300, 0xaa)
      const end = writeInvalidateEntry(out, 0, 1, Buffer.alloc(length, 'x'))
      assert.deepEqual([end, out.readUInt32LE(0), out.readUInt32LE(24)], [33 + length, end, length])
      assert.equal(out.toString('latin1', 32, end), `${'x'.repeat(length)}\0`)
    }
  })
})

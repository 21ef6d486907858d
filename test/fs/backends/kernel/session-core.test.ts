/**
 * The session's answers, request by request, without a kernel.
 */
import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { describe, test } from 'node:test'
import { FOPEN, OPCODE } from '../../../../src/fs/backends/kernel/protocol/constants.js'
import type { NodeReplica, TorrentReplica } from '../../../../src/fs/backends/kernel/session-protocol.js'
import { SharedPieces } from '../../../../src/fs/backends/kernel/shared-pieces.js'
import { entriesOf, FuseKernel, openOf } from '../../../support/fuse-kernel.js'

const E = constants.errno
const PIECE = 16384
const STAMP = { size: 1n, mtimeNs: 2n, ino: 3n, dev: 4n }

function file(index: number, name: string, offset: number, size: number, parent = 0): NodeReplica {
  return { kind: 'file', ino: 100 + index, name, parent, file: index, offset, size }
}

/** A folder `album` with `one` (2.5 pieces) and `two` (the rest of 4 pieces), and nothing stored. */
function album(torrent = 1, name = 'album'): { replica: TorrentReplica; pieces: SharedPieces } {
  const pieces = SharedPieces.of(new Uint8Array(1), 4)
  const nodes: NodeReplica[] = [
    { kind: 'directory', ino: 99, name: '', parent: -1, file: -1, offset: 0, size: 0 },
    file(0, 'one', 0, 2.5 * PIECE),
    file(1, 'two', 2.5 * PIECE, 1.5 * PIECE),
  ]
  const replica = {
    torrent,
    name,
    mtimeMs: 1_000,
    nodes,
    pieces: { pieceLength: PIECE, pieceCount: 4, memory: pieces.memory },
    storedBytes: undefined,
  }
  return { replica, pieces }
}

function withAlbum(o: { passthrough?: boolean } = {}) {
  const kernel = new FuseKernel(o)
  kernel.init()
  const { replica, pieces } = album()
  kernel.core.obey({ type: 'show', torrent: replica })
  const folder = kernel.lookup(1, 'album')
  const one = kernel.lookup(folder, 'one')
  const two = kernel.lookup(folder, 'two')
  const place = (
    index: number,
    asked: 'place' | 'check' = 'place',
    stamp = undefined as typeof STAMP | undefined,
  ) => kernel.core.obey({ type: 'placed', asked, torrent: 1, file: index, path: `/data/${index}`, stamp })
  return { kernel, pieces, folder, one, two, place }
}

describe('a read', () => {
  test('of stored bytes is answered from the file at once', () => {
    const { kernel, pieces, one, place } = withAlbum()
    pieces.set(0)
    const { handle, flags } = kernel.open(one)
    assert.equal(flags, FOPEN.KEEP_CACHE)
    place(0)
    const reply = kernel.reply(kernel.startRead(handle, 100, 4096))
    assert.equal(reply?.payload.length, 4096)
    assert.deepEqual([...reply.payload.subarray(0, 3)], [100, 101, 102])
  })

  test('of bytes that are not stored is answered when they are, in one piece', () => {
    const { kernel, pieces, one, place } = withAlbum()
    const { handle } = kernel.open(one)
    place(0)
    const unique = kernel.startRead(handle, PIECE - 10, 20)
    assert.equal(kernel.reply(unique), undefined)
    const [need] = kernel.take('need')
    assert.deepEqual(need && [need.unique, need.position, need.length], [unique, PIECE - 10, 20])
    pieces.set(0)
    kernel.core.reads.piecesChanged()
    assert.equal(kernel.reply(unique), undefined, 'half of it is not enough')
    pieces.set(1)
    kernel.core.reads.piecesChanged()
    assert.equal(kernel.reply(unique)?.payload.length, 20)
    assert.equal(kernel.core.reads.blocked, 0)
    assert.deepEqual(kernel.take('drop'), [])
  })

  test('of bytes that were stored waits until the place of the file is told', () => {
    const { kernel, pieces, one, place } = withAlbum()
    pieces.set(0)
    const { handle } = kernel.open(one)
    const unique = kernel.startRead(handle, 0, 10)
    assert.equal(kernel.reply(unique), undefined)
    place(0)
    assert.equal(kernel.reply(unique)?.payload.length, 10)
    assert.deepEqual(kernel.take('need'), [])
  })

  test('that the disk would have to be waited for, or that comes out short, is fetched', () => {
    for (const outcome of [-E.EAGAIN, -E.EIO, 5, 0]) {
      const { kernel, pieces, one, place } = withAlbum()
      pieces.set(0)
      const { handle } = kernel.open(one)
      place(0)
      kernel.read = () => outcome
      const unique = kernel.startRead(handle, 0, 10)
      assert.deepEqual(
        kernel.take('fetch').map(fetch => fetch.unique),
        [unique],
        String(outcome),
      )
      kernel.core.obey({ type: 'answered', unique })
      assert.equal(kernel.core.reads.blocked, 0)
      assert.equal(kernel.reply(unique), undefined, 'the engine has answered')
    }
  })

  test('of a piece that was doubted while it was read is not served from that', () => {
    const { kernel, pieces, one, place } = withAlbum()
    pieces.set(0)
    const { handle } = kernel.open(one)
    place(0)
    kernel.read = (_opened, _target, length) => {
      pieces.clear(0)
      pieces.set(0)
      return length
    }
    const unique = kernel.startRead(handle, 0, 10)
    assert.equal(kernel.reply(unique), undefined)
    assert.equal(kernel.take('fetch').length, 1)
  })

  test('is asked for again when what it waits for was doubted before it was looked at', () => {
    const { kernel, pieces, one, place } = withAlbum()
    const { handle } = kernel.open(one)
    place(0)
    const unique = kernel.startRead(handle, 0, 10)
    assert.equal(kernel.take('need').length, 1)
    pieces.set(0)
    pieces.clear(0)
    kernel.core.obey({ type: 'doubted', torrent: 1 })
    assert.deepEqual(
      kernel.take('need').map(need => need.unique),
      [unique],
    )
  })

  test('ends with the error the engine tells', () => {
    const { kernel, one } = withAlbum()
    const unique = kernel.startRead(kernel.open(one).handle, 0, 10)
    kernel.core.obey({ type: 'failed', unique, errno: E.ENOSPC })
    assert.equal(kernel.reply(unique)?.errno, E.ENOSPC)
    assert.deepEqual(kernel.take('drop'), [])
  })

  test('ends with EINTR when it is interrupted, its handle released, or its reader gone, and is dropped', () => {
    const { kernel, one } = withAlbum()
    const { handle } = kernel.open(one)
    const ends: ((unique: number) => void)[] = [
      unique => void kernel.send(OPCODE.INTERRUPT, { body: [BigInt(unique)] }),
      () => kernel.core.reads.endAbandoned(new Set([77])),
      () => void kernel.ask(OPCODE.RELEASE, { body: [BigInt(handle), 0, 0, 0n] }),
    ]
    kernel.fate = () => 'gone'
    for (const end of ends) {
      const unique = kernel.startRead(handle, 0, 10, 77)
      end(unique)
      assert.equal(kernel.reply(unique)?.errno, E.EINTR)
      assert.deepEqual(
        kernel.take('drop').map(drop => drop.unique),
        [unique],
      )
    }
  })

  test('of a page fault is not interrupted: its reader would die of the error', () => {
    const { kernel, one } = withAlbum()
    const unique = kernel.startRead(kernel.open(one).handle, 0, 4096, 77)
    kernel.fate = () => 'faulting'
    kernel.send(OPCODE.INTERRUPT, { body: [BigInt(unique)] })
    kernel.core.reads.endAbandoned(new Set([77]))
    assert.equal(kernel.reply(unique), undefined)
  })

  test('of a torrent that is hidden ends with EIO, at once and later', () => {
    const { kernel, one } = withAlbum()
    const { handle } = kernel.open(one)
    const unique = kernel.startRead(handle, 0, 10)
    kernel.core.obey({ type: 'hide', torrent: 1 })
    assert.equal(kernel.reply(unique)?.errno, E.EIO)
    assert.equal(kernel.reply(kernel.startRead(handle, 0, 10))?.errno, E.EIO)
    assert.equal(kernel.errno(OPCODE.OPEN, { node: one, body: [0, 0] }), E.EIO)
  })

  test('at and beyond the end of a file is empty, across it is short, and of no handle EBADF', () => {
    const { kernel, pieces, one, place } = withAlbum()
    for (const piece of [0, 1, 2]) pieces.set(piece)
    const unique = kernel.send(OPCODE.OPEN, { node: one, body: [0, 0] })
    place(0, 'check')
    const { handle } = openOf(kernel.reply(unique)!.payload)
    const size = 2.5 * PIECE
    for (const [offset, length] of [
      [size, 0],
      [2 ** 45, 0],
      [size - 7, 7],
    ] as const) {
      assert.equal(kernel.reply(kernel.startRead(handle, offset, 4096))?.payload.length, length)
    }
    assert.equal(kernel.reply(kernel.startRead(999, 0, 10))?.errno, E.EBADF)
  })

  test('of a torrent without shared pieces is always fetched', () => {
    const kernel = new FuseKernel()
    kernel.init()
    const { replica } = album()
    const storedBytes = new SharedArrayBuffer(16)
    kernel.core.obey({ type: 'show', torrent: { ...replica, pieces: undefined, storedBytes } })
    const one = kernel.lookup(kernel.lookup(1, 'album'), 'one')
    kernel.startRead(kernel.open(one).handle, 0, 10)
    assert.equal(kernel.take('fetch').length, 1)
    assert.equal(kernel.take('place').length, 0)
  })

  test('of stored bytes is told to the engine by the megabyte, before a need, and on release', () => {
    const { kernel, pieces, one, place } = withAlbum()
    pieces.set(0)
    const { handle } = kernel.open(one)
    place(0)
    kernel.startRead(handle, 0, 4096)
    kernel.startRead(handle, 4096, 4096)
    assert.deepEqual(kernel.take('note'), [])
    kernel.startRead(handle, PIECE, 4096)
    const types = kernel.reports.filter(r => r.type === 'note' || r.type === 'need').map(r => r.type)
    assert.deepEqual(types, ['note', 'need'])
    const [note] = kernel.take('note')
    assert.deepEqual(note && [note.position, note.length], [0, 8192])
  })
})

describe('opening', () => {
  test('a complete file waits until it was looked at, and by passthrough if it is as it was', () => {
    const { kernel, pieces, one, place } = withAlbum({ passthrough: true })
    for (const piece of [0, 1, 2]) pieces.set(piece)
    kernel.backing = () => 42
    const unique = kernel.send(OPCODE.OPEN, { node: one, body: [0, 0] })
    assert.equal(kernel.reply(unique), undefined)
    assert.equal(kernel.take('check').length, 1)
    place(0, 'check', STAMP)
    const first = openOf(kernel.reply(unique)!.payload)
    assert.deepEqual([first.flags & FOPEN.PASSTHROUGH, first.backing], [FOPEN.PASSTHROUGH, 42])
    kernel.backing = () => assert.fail('one number a file')
    assert.equal(kernel.open(one).backing, 42)
    for (const handle of [first.handle, first.handle + 1]) {
      assert.equal(kernel.closed.length, 0)
      kernel.ask(OPCODE.RELEASE, { body: [BigInt(handle), 0, 0, 0n] })
    }
    assert.equal(kernel.closed.length, 1)
  })

  test('a complete file that changed, or that the kernel refuses, is served by us', () => {
    for (const stamp of [undefined, STAMP]) {
      const { kernel, pieces, one, place } = withAlbum({ passthrough: true })
      for (const piece of [0, 1, 2]) pieces.set(piece)
      const unique = kernel.send(OPCODE.OPEN, { node: one, body: [0, 0] })
      place(0, 'check', stamp)
      assert.deepEqual(openOf(kernel.reply(unique)!.payload).flags, FOPEN.KEEP_CACHE)
    }
  })

  test('a file that becomes complete while it is open goes on being served by us', () => {
    const { kernel, pieces, one, place } = withAlbum({ passthrough: true })
    kernel.backing = () => assert.fail('two modes at once')
    kernel.open(one)
    place(0)
    for (const piece of [0, 1, 2]) pieces.set(piece)
    assert.equal(kernel.open(one).backing, 0)
  })

  test('a file given to the kernel and doubted gets another node, so that new readers come to us', () => {
    const { kernel, pieces, folder, one, place } = withAlbum({ passthrough: true })
    for (const piece of [0, 1, 2]) pieces.set(piece)
    kernel.backing = () => 42
    kernel.send(OPCODE.OPEN, { node: one, body: [0, 0] })
    place(0, 'check', STAMP)
    pieces.clear(1)
    kernel.core.obey({ type: 'doubted', torrent: 1 })
    assert.deepEqual(
      kernel.take('forget').map(({ parent, names }) => [parent, names]),
      [[folder, ['one']]],
    )
    const renewed = kernel.lookup(folder, 'one')
    assert.notEqual(renewed, one)
    assert.equal(kernel.open(renewed).backing, 0)
    assert.equal(
      kernel.errno(OPCODE.OPEN, { node: one, body: [0, 0] }),
      E.ESTALE,
      'the name is looked up again',
    )
  })

  test('that waits ends by an interrupt, by removal and by the end', () => {
    const ends: [(kernel: FuseKernel, unique: number) => void, number][] = [
      [(kernel, unique) => void kernel.send(OPCODE.INTERRUPT, { body: [BigInt(unique)] }), E.EINTR],
      [kernel => kernel.core.obey({ type: 'hide', torrent: 1 }), E.EIO],
      [kernel => kernel.core.obey({ type: 'end', errno: E.EIO }), E.EIO],
    ]
    for (const [end, errno] of ends) {
      const { kernel, pieces, one, place } = withAlbum()
      for (const piece of [0, 1, 2]) pieces.set(piece)
      const unique = kernel.send(OPCODE.OPEN, { node: one, body: [0, 0] })
      end(kernel, unique)
      assert.equal(kernel.reply(unique)?.errno, errno)
      place(0, 'check')
      kernel.reply(unique)
    }
  })

  test('for writing is refused, as is everything that writes', () => {
    const { kernel, one, folder } = withAlbum()
    for (const flags of [1, 2])
      assert.equal(kernel.errno(OPCODE.OPEN, { node: one, body: [flags, 0] }), E.EROFS)
    assert.equal(kernel.errno(OPCODE.OPEN, { node: folder, body: [0, 0] }), E.EISDIR)
    assert.equal(kernel.errno(OPCODE.MKDIR, { body: [0o777, 0, 'x'] }), E.EROFS)
    assert.equal(kernel.errno(OPCODE.ACCESS, { node: one, body: [2, 0] }), E.EROFS)
    assert.equal(kernel.errno(OPCODE.ACCESS, { node: one, body: [4, 0] }), 0)
  })
})

describe('the tree', () => {
  test('is listed whole in pieces of any size, with and without attributes', () => {
    const kernel = new FuseKernel()
    kernel.init()
    const names = Array.from({ length: 300 }, (_, i) => 'ü'.repeat(i % 127) + String(i))
    const nodes: NodeReplica[] = [
      { kind: 'directory', ino: 9, name: '', parent: -1, file: -1, offset: 0, size: 0 },
      ...names.map((name, i) => file(i, name, i, 1)),
    ]
    const { replica } = album()
    kernel.core.obey({ type: 'show', torrent: { ...replica, nodes } })
    const folder = kernel.lookup(1, 'album')
    const handle = openOf(kernel.ask(OPCODE.OPENDIR, { node: folder, body: [0, 0] })).handle
    for (const plus of [false, true]) {
      for (const size of [512, 4096, 1 << 20]) {
        const found: string[] = []
        for (let offset = 0; ;) {
          const body = [BigInt(handle), BigInt(offset), size, 0, 0n, 0, 0]
          const payload = kernel.ask(plus ? OPCODE.READDIRPLUS : OPCODE.READDIR, { node: folder, body })
          assert.ok(payload.length <= size)
          const entries = entriesOf(payload, plus)
          if (entries.length === 0) break
          found.push(...entries.map(entry => entry.name))
          for (const { name, node } of entries) {
            if (plus && !name.startsWith('.')) assert.equal(kernel.lookup(folder, name), node)
          }
          offset = entries.at(-1)!.next
        }
        assert.deepEqual(found, ['.', '..', ...names])
      }
    }
  })

  test('tells the kernel to forget the name of a torrent that goes or is renamed, and new nodes get new ids', () => {
    const { kernel, folder, one } = withAlbum()
    kernel.take('forget')
    kernel.core.obey({ type: 'rename', torrent: 1, name: 'album [aa]', mtimeMs: 5 })
    assert.deepEqual(kernel.take('forget')[0]?.names, ['album', 'album [aa]'])
    assert.equal(kernel.lookup(1, 'album [aa]'), folder)
    assert.equal(kernel.errno(OPCODE.LOOKUP, { body: ['album'] }), E.ENOENT)
    kernel.core.obey({ type: 'hide', torrent: 1 })
    assert.deepEqual(kernel.take('forget')[0]?.names, ['album [aa]'])
    kernel.core.obey({ type: 'show', torrent: album(2).replica })
    assert.notEqual(kernel.lookup(1, 'album'), folder)
    assert.notEqual(kernel.lookup(kernel.lookup(1, 'album'), 'one'), one)
  })

  test('keeps a node of a torrent that is gone until the kernel forgets it, and no longer', () => {
    const { kernel, one } = withAlbum()
    kernel.core.obey({ type: 'hide', torrent: 1 })
    const known = kernel.core.tree.known
    kernel.ask(OPCODE.GETATTR, { node: one, body: [0, 0, 0n] })
    kernel.send(OPCODE.FORGET, { node: one, body: [1n] })
    assert.equal(kernel.core.tree.known, known - 1)
    assert.equal(kernel.errno(OPCODE.GETATTR, { node: one, body: [0, 0, 0n] }), E.ESTALE)
  })

  test('has the kernel forget the blocks of a file that grew, and of no other', () => {
    const { kernel, pieces, one, two } = withAlbum()
    for (const node of [one, two]) kernel.ask(OPCODE.GETATTR, { node, body: [0, 0, 0n] })
    kernel.written.length = 0
    kernel.core.forgetOutdated()
    assert.equal(kernel.written.length, 0)
    pieces.set(0)
    kernel.core.forgetOutdated()
    assert.deepEqual(
      kernel.written.map(({ payload }) => Number(payload.readBigUInt64LE(0))),
      [one],
    )
    const blocks = kernel.ask(OPCODE.GETATTR, { node: one, body: [0, 0, 0n] }).readBigUInt64LE(16 + 16)
    assert.equal(blocks, BigInt(PIECE / 512))
  })
})

test('has the kernel forget the blocks of a file when the first piece of its torrent is stored', () => {
  const kernel = new FuseKernel()
  kernel.init()
  const { replica, pieces } = album()
  const shared = { pieceLength: PIECE, pieceCount: 4, memory: undefined }
  kernel.core.obey({ type: 'show', torrent: { ...replica, pieces: shared } })
  const one = kernel.lookup(kernel.lookup(1, 'album'), 'one')
  kernel.core.forgetOutdated()
  kernel.written.length = 0
  const first = SharedPieces.of(Uint8Array.of(0x80), 4)
  assert.equal(first.version, pieces.version)
  kernel.core.obey({ type: 'pieces', torrent: 1, memory: first.memory })
  kernel.core.forgetOutdated()
  assert.deepEqual(
    kernel.written.map(({ payload }) => Number(payload.readBigUInt64LE(0))),
    [one],
  )
})

describe('the session', () => {
  test('answers an opcode it does not know with ENOSYS and logs it once', () => {
    const kernel = new FuseKernel()
    kernel.init()
    for (let i = 0; i < 3; i++) assert.equal(kernel.errno(4000), E.ENOSYS)
    assert.equal(kernel.take('log').length, 1)
  })

  test('answers with EIO and logs when a handler throws, and goes on', () => {
    const { kernel, pieces, one, place } = withAlbum()
    pieces.set(0)
    const { handle } = kernel.open(one)
    place(0)
    kernel.read = () => {
      throw new Error('broken')
    }
    assert.equal(kernel.reply(kernel.startRead(handle, 0, 10))?.errno, E.EIO)
    assert.match(kernel.take('log')[0]?.text ?? '', /broken/)
    kernel.lookup(1, 'album')
  })
})

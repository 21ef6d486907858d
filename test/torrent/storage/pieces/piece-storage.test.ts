import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../../src/torrent/pieces/bitfield.js'
import type { Completion, TorrentCompletion } from '../../../../src/torrent/storage/completion/completion.js'
import type { PieceBackend, TorrentPieces } from '../../../../src/torrent/storage/pieces/piece-backend.js'
import { PieceStorage } from '../../../../src/torrent/storage/pieces/piece-storage.js'
import type { StorageTorrent } from '../../../../src/torrent/storage/storage.js'
import { describeStorage } from '../conformance.js'
import { bitsOf, singleFixture } from '../fixture.js'

/** The least a backend can be: with nothing but what it must have. */
class PlainPieces implements TorrentPieces {
  /** What was done, in order of its end. */
  readonly done: string[] = []
  /** Called before anything is done; may throw. */
  fault: (doing: string) => unknown = () => undefined
  readonly kept: Map<string, Uint8Array>
  readonly #prefix: string

  constructor(kept = new Map<string, Uint8Array>(), prefix = '') {
    this.kept = kept
    this.#prefix = prefix
  }

  /** A backend whose first torrent has these pieces. */
  get backend(): PieceBackend {
    const open = ({ infohash }: StorageTorrent): PlainPieces =>
      infohash === FIRST ? this : new PlainPieces(this.kept, infohash)
    return { open: torrent => Promise.resolve(open(torrent)) }
  }

  async read(piece: number, begin: number, target: Uint8Array): Promise<number> {
    await this.#do(`read ${piece}`)
    const part = this.kept.get(`${this.#prefix}${piece}`)?.subarray(begin, begin + target.length)
    target.set(part ?? [])
    return part?.length ?? 0
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice()
    await this.#do(`write ${piece}`)
    this.kept.set(`${this.#prefix}${piece}`, copy)
  }

  async remove(piece: number): Promise<void> {
    await this.#do(`remove ${piece}`)
    this.kept.delete(`${this.#prefix}${piece}`)
  }

  async #do(doing: string): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
    this.fault(doing)
    this.done.push(doing)
  }
}

/** Writes its marks into the same list as the backend its deeds. */
class WatchedCompletion implements Completion, TorrentCompletion {
  stored = new Bitfield(10)
  sure = true
  readonly #pieces: PlainPieces

  constructor(pieces: PlainPieces) {
    this.#pieces = pieces
  }

  open(): Promise<TorrentCompletion> {
    return Promise.resolve(this)
  }

  async set(piece: number, stored: boolean): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
    this.#pieces.fault('mark')
    this.#pieces.done.push(`mark ${piece} ${stored}`)
  }

  remove(): Promise<void> {
    this.#pieces.done.push('forget')
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

const fixture = singleFixture()
const FIRST = fixture.torrent.infohash

describeStorage('plain piece', () => Promise.resolve(new PieceStorage(new PlainPieces().backend)), {
  forgetful: true,
})

describe('a storage made of pieces', () => {
  it('marks a piece after its bytes, and takes the mark before the bytes', async () => {
    const pieces = new PlainPieces()
    const storage = new PieceStorage(pieces.backend, { completion: new WatchedCompletion(pieces) })
    const torrent = await storage.open(fixture.torrent)
    const storing = torrent.store!(2, fixture.piece(2))
    const evicting = torrent.evict!(2)
    const again = torrent.store!(2, fixture.piece(2))
    await Promise.all([storing, evicting, again])
    const twice = ['write 2', 'mark 2 true']
    assert.deepEqual(pieces.done, [...twice, 'mark 2 false', 'remove 2', ...twice])
    assert.deepEqual(bitsOf(torrent.stored), [2])
    await torrent.close()
    pieces.done.length = 0
    await storage.remove(fixture.torrent)
    assert.deepEqual(pieces.done, ['forget', ...Array.from({ length: 10 }, (_, piece) => `remove ${piece}`)])
  })

  it('writes nothing over a piece before it is kept that it is missing', async () => {
    const pieces = new PlainPieces()
    const completion = new WatchedCompletion(pieces)
    completion.stored.set(4)
    const torrent = await new PieceStorage(pieces.backend, { completion }).open(fixture.torrent)
    torrent.markMissing(4)
    await torrent.writeAt(fixture.piece(4), 4 * 16_384)
    torrent.markStored(4)
    await torrent.close()
    assert.deepEqual(pieces.done, ['mark 4 false', 'write 4', 'mark 4 true'])
  })

  it('has everything hashed that a completion is not sure of, unless the bytes are safer than that', async () => {
    for (const durable of [false, true]) {
      const pieces = Object.assign(new PlainPieces(), { durable })
      const completion = new WatchedCompletion(pieces)
      completion.stored.set(4)
      completion.stored.set(6)
      completion.sure = false
      const torrent = await new PieceStorage(pieces.backend, { completion }).open(fixture.torrent)
      assert.deepEqual(bitsOf(torrent.stored), durable ? [4, 6] : [])
      assert.deepEqual(bitsOf(torrent.suspect), durable ? [] : [4, 6])
      if (durable) continue
      torrent.markStored(4)
      torrent.markMissing(6)
      assert.deepEqual(bitsOf(torrent.stored), [4])
      assert.equal(torrent.suspect.length, 0)
      await torrent.close()
      assert.deepEqual(pieces.done, ['mark 4 true', 'mark 6 false'])
    }
  })

  it('does not count a piece as stored whose write or mark failed, and names it', async () => {
    for (const failing of ['write 1', 'mark']) {
      const pieces = new PlainPieces()
      const torrent = await new PieceStorage(pieces.backend, {
        completion: new WatchedCompletion(pieces),
      }).open(fixture.torrent)
      pieces.fault = doing => {
        if (doing === failing) throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
      }
      await assert.rejects(torrent.store!(1, fixture.piece(1)), {
        code: 'ERR_TORRENTFS_DISK_FULL',
        message: new RegExp(`piece 1 of ${FIRST}`),
      })
      assert.equal(torrent.stored.count, 0)
      pieces.fault = () => undefined
      await torrent.store!(1, fixture.piece(1))
      assert.deepEqual(bitsOf(torrent.stored), [1])
    }
  })

  it('takes a piece as missing although its bytes could not be freed', async () => {
    const pieces = new PlainPieces()
    const torrent = await new PieceStorage(pieces.backend).open(fixture.torrent)
    await torrent.store!(1, fixture.piece(1))
    pieces.fault = () => {
      throw new Error('read only')
    }
    await assert.rejects(torrent.evict!(1), {
      code: 'ERR_TORRENTFS_STORAGE',
      message: /remove piece 1 of .*read only/,
    })
    assert.equal(torrent.stored.count, 0)
  })

  it('believes no count that cannot be', async () => {
    for (const count of [-1, 1.5, NaN, 101]) {
      const pieces = new PlainPieces()
      pieces.read = () => Promise.resolve(count)
      const torrent = await new PieceStorage(pieces.backend).open(fixture.torrent)
      await assert.rejects(
        torrent.readAt(new Uint8Array(100), 0),
        { code: 'ERR_TORRENTFS_STORAGE' },
        String(count),
      )
    }
  })

  it('believes no completion of another size', async () => {
    const pieces = new PlainPieces()
    const completion = new WatchedCompletion(pieces)
    completion.stored = new Bitfield(11)
    const storage = new PieceStorage(pieces.backend, { completion })
    await assert.rejects(storage.open(fixture.torrent), { code: 'ERR_TORRENTFS_STORAGE' })
    completion.stored = new Bitfield(10)
    await storage.open(fixture.torrent)
  })

  it('closes a torrent only when what reads or writes it has ended', async () => {
    const pieces = new PlainPieces()
    let closed = false
    Object.assign(pieces, { close: () => Promise.resolve((closed = true)) })
    const torrent = await new PieceStorage(pieces.backend).open(fixture.torrent)
    await torrent.store!(0, fixture.piece(0))
    pieces.fault = () => assert.equal(closed, false)
    const reading = torrent.readAt(new Uint8Array(10), 0)
    const writing = torrent.store!(1, fixture.piece(1))
    await torrent.close()
    assert.equal(await reading, 10)
    await writing
    assert.equal(closed, true)
  })
})

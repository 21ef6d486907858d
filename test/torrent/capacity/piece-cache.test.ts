import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { CacheShare, CacheUser } from '../../../src/torrent/capacity/cache-share.js'
import { PieceCache } from '../../../src/torrent/capacity/piece-cache.js'
import { Bitfield } from '../../../src/torrent/pieces/bitfield.js'

const PIECE = 100
const PIECES = 40

/** A torrent that keeps what it got room for, and frees what it is told to give up when the test says so. */
class Keeper implements CacheUser {
  readonly share: CacheShare
  readonly begun = new Set<number>()
  readonly kept = new Set<number>()
  readonly used = new Set<number>()
  readonly evicted: number[] = []
  readonly unfreed = new Set<number>()
  told = 0

  constructor(cache: PieceCache, present: readonly number[] = [], suspect: readonly number[] = []) {
    this.share = cache.join(this, { stored: bitsOf(present), suspect: bitsOf(suspect) })
    for (const piece of [...present, ...suspect]) this.kept.add(piece)
  }

  /** Bytes that lie in its storage or will. */
  get bytes(): number {
    return (this.begun.size + this.kept.size + this.unfreed.size) * PIECE
  }

  sizeOf(): number {
    return PIECE
  }

  mayEvict(piece: number): boolean {
    return this.kept.has(piece) && !this.used.has(piece)
  }

  evict(piece: number): void {
    assert.ok(this.mayEvict(piece), `piece ${piece} may go`)
    this.kept.delete(piece)
    this.unfreed.add(piece)
    this.evicted.push(piece)
  }

  roomChanged(): void {
    this.told++
  }

  begin(piece: number, evicting = true): boolean {
    if (this.begun.has(piece) || this.kept.has(piece)) return false
    if (!this.share.take(piece, evicting)) return false
    assert.ok(!this.unfreed.has(piece), 'nothing is begun that is still being freed')
    this.begun.add(piece)
    return true
  }

  store(piece: number): void {
    if (!this.begun.delete(piece)) return
    this.kept.add(piece)
    this.share.stored(piece)
  }

  fail(piece: number): void {
    if (this.begun.delete(piece)) this.share.giveBack(piece)
  }

  free(): void {
    for (const piece of this.unfreed) {
      this.unfreed.delete(piece)
      this.share.freed(piece)
    }
  }
}

function bitsOf(pieces: readonly number[]): Bitfield {
  const bits = new Bitfield(PIECES)
  for (const piece of pieces) bits.set(piece)
  return bits
}

/** A cache whose later tasks run when the test says so. */
function makeCache(bytes: number): { cache: PieceCache; run: () => void } {
  const tasks: (() => void)[] = []
  const cache = new PieceCache({ bytes, later: task => tasks.push(task) })
  return {
    cache,
    run: () => {
      for (let rounds = 0; tasks.length > 0; rounds++) {
        assert.ok(rounds < 1000, 'it comes to rest')
        tasks.shift()!()
      }
    },
  }
}

function filled(bytes: number): { cache: PieceCache; run: () => void; keeper: Keeper } {
  const made = makeCache(bytes)
  const keeper = new Keeper(made.cache)
  for (let piece = 0; piece < bytes / PIECE; piece++) {
    assert.ok(keeper.begin(piece))
    keeper.store(piece)
  }
  return { ...made, keeper }
}

describe('PieceCache', () => {
  it('gives up the piece read longest ago, and grants its room once it is freed', () => {
    const { run, keeper } = filled(400)
    keeper.share.touch(0)
    assert.equal(keeper.begin(10), false)
    run()
    assert.deepEqual(keeper.evicted, [1])
    assert.equal(keeper.begin(10), false, 'the bytes are still there')
    run()
    assert.deepEqual(keeper.evicted, [1], 'nothing more is given up for the same wish')
    keeper.free()
    run()
    assert.equal(keeper.told, 1)
    assert.equal(keeper.begin(10), true)
  })

  it('gives up nothing that is in use', () => {
    const { run, keeper, cache } = filled(400)
    for (const piece of [0, 1, 2, 3]) keeper.used.add(piece)
    assert.equal(keeper.begin(10), false)
    run()
    assert.deepEqual(keeper.evicted, [])
    keeper.used.delete(2)
    keeper.share.released()
    run()
    assert.equal(keeper.told, 1, 'who was refused asks again')
    assert.equal(keeper.begin(10), false)
    run()
    assert.deepEqual(keeper.evicted, [2])
    assert.equal(cache.status().evictedPieces, 0, 'counted when freed')
    keeper.free()
    assert.equal(cache.status().evictedBytes, PIECE)
  })

  it('gives up nothing for what nobody reads', () => {
    const { run, keeper } = filled(400)
    assert.equal(keeper.begin(10, false), false)
    run()
    assert.deepEqual(keeper.evicted, [])
  })

  it('leaves a part free for readers where there are any', () => {
    const { cache, run } = makeCache(6400)
    const keeper = new Keeper(cache)
    keeper.share.readerOpened()
    let piece = 0
    while (piece < PIECES && keeper.begin(piece, false)) keeper.store(piece++)
    assert.equal(piece, PIECES)
    const other = new Keeper(cache)
    for (piece = 0; piece < PIECES && other.begin(piece, false);) other.store(piece++)
    assert.equal(cache.status().used, 6200)
    assert.equal(other.begin(PIECES - 1, true), true)
    keeper.share.readerClosed()
    run()
    assert.equal(other.begin(PIECES - 2, false), true, 'without readers all of it may be used')
  })

  it('frees what lies in the storage beyond the cap from the start, what may be wrong first', () => {
    const { cache, run } = makeCache(300)
    const keeper = new Keeper(cache, [1, 2, 3], [8, 9])
    run()
    assert.deepEqual(keeper.evicted, [8, 9])
    keeper.free()
    assert.equal(cache.status().used, 300)
  })

  it('counts a torrent that has ended no more', () => {
    const { cache, run, keeper } = filled(400)
    const other = new Keeper(cache)
    assert.equal(other.begin(0), false)
    run()
    keeper.share.leave()
    run()
    assert.equal(cache.status().used, 0)
    assert.equal(other.told, 1)
    assert.equal(other.begin(0), true)
    keeper.free()
    assert.equal(cache.status().used, PIECE, 'what it frees afterwards changes nothing')
  })

  it('counts what was found without having been fetched, and begins nothing that is being freed', () => {
    const { cache, run } = makeCache(300)
    const keeper = new Keeper(cache, [0, 1])
    keeper.kept.add(5)
    keeper.share.stored(5)
    assert.equal(cache.status().used, 300)
    keeper.kept.add(6)
    keeper.share.stored(6)
    run()
    assert.deepEqual(keeper.evicted, [0])
    keeper.share.discard(9)
    assert.equal(keeper.share.take(9, true), false)
    keeper.share.freed(9)
    keeper.free()
    assert.equal(cache.status().used, 300, 'what was never counted gives nothing back')
  })

  it('shares what windows may hold among readers', () => {
    const { cache } = makeCache(1000)
    const [a, b] = [new Keeper(cache), new Keeper(cache)]
    a.share.readerOpened()
    assert.equal(a.share.windowBytes, 500)
    for (let i = 0; i < 4; i++) b.share.readerOpened()
    assert.equal(a.share.windowBytes, 100)
    assert.equal(b.share.windowBytes, 400)
    b.share.leave()
    assert.equal(a.share.windowBytes, 500)
  })

  it('names both numbers when pieces are too long for it', () => {
    const { cache } = makeCache(1000)
    cache.check('small', 500)
    assert.throws(() => cache.check('film', 501), {
      code: 'ERR_TORRENTFS_ARGUMENT',
      message: /film.*501.*1000/,
    })
  })

  it('never keeps more than the cap, and always comes to grant what it can', () => {
    const piece = fc.nat({ max: PIECES - 1 })
    const torrent = fc.nat({ max: 1 })
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant('begin' as const), torrent, piece, evicting: fc.boolean() }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('store' as const), torrent, piece }) },
      fc.record({
        do: fc.constantFrom('fail' as const, 'use' as const, 'release' as const, 'touch' as const),
        torrent,
        piece,
      }),
      fc.record({
        do: fc.constantFrom('free' as const, 'run' as const, 'open' as const, 'close' as const),
        torrent,
        piece,
      }),
    )
    const CAP = 700
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), steps => {
        const { cache, run } = makeCache(CAP)
        const keepers = [new Keeper(cache), new Keeper(cache)]
        for (const next of steps) {
          const keeper = keepers[next.torrent]!
          if (next.do === 'begin') keeper.begin(next.piece, next.evicting)
          else if (next.do === 'store') for (const begun of [...keeper.begun].slice(0, 2)) keeper.store(begun)
          else if (next.do === 'fail') keeper.fail(next.piece)
          else if (next.do === 'use') keeper.used.add(next.piece)
          else if (next.do === 'release') {
            keeper.used.delete(next.piece)
            keeper.share.released()
          } else if (next.do === 'touch') keeper.share.touch(next.piece)
          else if (next.do === 'free') keeper.free()
          else if (next.do === 'run') run()
          else if (next.do === 'open') keeper.share.readerOpened()
          else if (keeper.share.readers > 0) keeper.share.readerClosed()
          const bytes = keepers[0]!.bytes + keepers[1]!.bytes
          assert.ok(bytes <= CAP, `${bytes} bytes`)
          assert.equal(cache.status().used, bytes)
        }
        // When nothing is used or begun any more, anything may be had.
        for (const keeper of keepers) {
          keeper.used.clear()
          for (const begun of [...keeper.begun]) keeper.store(begun)
          keeper.free()
        }
        const [keeper] = keepers
        const free = Array.from({ length: PIECES }, (_, i) => i).find(i => !keeper!.kept.has(i))!
        for (let rounds = 0; !keeper!.begin(free); rounds++) {
          assert.ok(rounds < 3, 'room is granted')
          run()
          for (const each of keepers) each.free()
          run()
        }
      }),
      { numRuns: 500 },
    )
  })
})

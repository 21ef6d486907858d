/**
 * Requests as no kernel sends them, among orders of the engine's side in any order: nothing throws, nothing is read out of
 * range, and every request that has an answer gets exactly one, well formed.
 *
 * FUZZ_SEED repeats a run; FUZZ_COUNT says how many requests it has.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPCODE } from '../../../../src/fs/backends/kernel/protocol/constants.js'
import { hasNoReply } from '../../../../src/fs/backends/kernel/protocol/decode.js'
import { SharedPieces } from '../../../../src/fs/backends/kernel/shared-pieces.js'
import { FuseKernel, requestBytes, type Field } from '../../../support/fuse-kernel.js'

const COUNT = Number(process.env['FUZZ_COUNT'] ?? 1_000_000)
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const PIECE = 4096
const PIECES = 64
const OPCODES = Object.values(OPCODE)

/** xorshift32 */
function randomFrom(seed: number): (below: number) => number {
  let x = seed | 1
  return below => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

class Fuzz {
  readonly kernel = new FuseKernel({ passthrough: true })
  readonly outstanding = new Set<number>()
  /** That it came to something. */
  answeredWithBytes = 0
  mostBlocked = 0
  /** The handles given out last. */
  readonly #handles = [1n]
  readonly #random = randomFrom(SEED)
  readonly #pieces = new Map<number, SharedPieces>()
  #unique = 2
  #torrent = 0

  constructor() {
    this.kernel.init()
    this.kernel.written.length = 0
    this.kernel.read = (_opened, _target, length) =>
      this.#pick([length, length, length, length - 1, 0, -11, -5])
    this.kernel.backing = () => this.#pick([0, 7])
    this.kernel.fate = () => this.#pick(['waiting', 'gone', 'interrupted', 'faulting'])
  }

  step(): void {
    if (this.#random(10) === 0) this.#order()
    else this.#request()
    this.#check()
  }

  /** Ends everything: then no request is left without its answer. */
  finish(): void {
    this.kernel.core.obey({ type: 'end', errno: 5 })
    this.#check()
    assert.deepEqual([...this.outstanding], [])
  }

  #check(): void {
    for (const { unique, errno, payload } of this.kernel.written) {
      if (unique === 0) continue
      if (errno === 0 && payload.length > 1000) this.answeredWithBytes++
      if (payload.length === 16) this.#handles.push(payload.readBigUInt64LE(0))
      assert.ok(this.outstanding.delete(unique), `request ${unique} was answered twice, or never asked`)
    }
    this.kernel.written.length = 0
    this.kernel.closed.length = 0
    this.#handles.splice(0, this.#handles.length - 20)
    this.mostBlocked = Math.max(this.mostBlocked, this.kernel.core.reads.blocked)
  }

  #request(): void {
    const unique = (this.#unique += 2)
    let bytes = this.#random(20) === 0 ? this.#noise() : this.#plausible(unique)
    if (this.#random(3) === 0) bytes = this.#mutated(bytes)
    if (bytes.length >= 16) bytes.writeBigUInt64LE(BigInt(unique), 8)
    if (bytes.length >= 40 && !hasNoReply(bytes.readUInt32LE(4))) this.outstanding.add(unique)
    this.kernel.deliver(bytes)
    if (this.kernel.reports.length > 1000) this.#answerReports()
  }

  #plausible(unique: number): Buffer {
    const opcode =
      this.#random(4) === 0
        ? this.#pick(OPCODES)
        : this.#pick([1, 14, 14, 14, 15, 15, 15, 15, 15, 18, 36, 44])
    const node = this.#node()
    return requestBytes(opcode, { unique, node, pid: this.#random(5), body: this.#body(opcode) })
  }

  /** The root, one of the latest, or none. */
  #node(): number {
    return this.#random(4) === 0 ? 1 : Math.max(0, 3 * this.#torrent + 3 - this.#random(15))
  }

  #body(opcode: number): Field[] {
    const handle = this.#random(9) === 0 ? BigInt(this.#random(200)) : this.#pick(this.#handles)
    const offset = this.#pick([0n, BigInt(this.#random((PIECES * PIECE) / 2)), 4096n, 2n ** 41n, 2n ** 63n])
    const size = this.#pick([0, 4096, 4096, 131072, 1 << 20, 0xffffffff])
    switch (opcode) {
      case OPCODE.LOOKUP:
        return [this.#pick(['0', '1', 'a', 'b', '.', '..', 'x'.repeat(300)])]
      case OPCODE.OPEN:
      case OPCODE.OPENDIR:
        return [this.#pick([0, 0, 0, 1, 0o40000]), 0]
      case OPCODE.READ:
      case OPCODE.READDIR:
      case OPCODE.READDIRPLUS:
        return [handle, offset, size, 0, 0n, 0, 0]
      case OPCODE.BATCH_FORGET:
        return [this.#random(4), 0, BigInt(this.#node()), 1n, BigInt(this.#node()), 1n]
      case OPCODE.INTERRUPT:
        return [BigInt(Math.max(0, this.#unique - 2 * this.#random(30)))]
      default:
        return [handle, BigInt(this.#random(3)), BigInt(this.#random(3)), 'name']
    }
  }

  #noise(): Buffer {
    return Buffer.from(Array.from({ length: this.#random(120) }, () => this.#random(256)))
  }

  #mutated(bytes: Buffer): Buffer {
    const kind = this.#random(3)
    if (kind === 0) return Buffer.from(bytes.subarray(0, this.#random(bytes.length + 1)))
    if (kind === 1) return Buffer.concat([bytes, this.#noise()])
    for (let i = this.#random(4); i >= 0; i--) bytes[this.#random(bytes.length)] = this.#random(256)
    return bytes
  }

  #order(): void {
    const { core } = this.kernel
    const torrent = this.#torrent - this.#random(4)
    const pieces = this.#pieces.get(torrent)
    switch (this.#random(8)) {
      case 0:
        return this.#random(5) > 0 ? undefined : this.#show()
      case 1:
        if (this.#random(20) > 0) return
        this.#pieces.delete(torrent)
        return core.obey({ type: 'hide', torrent })
      case 2:
        return core.obey({ type: 'rename', torrent, name: this.#pick(['0', '1', 'a', 'b']), mtimeMs: 1 })
      case 3:
        for (let piece = 0; piece < PIECES; piece++) if (this.#random(3) > 0) pieces?.set(piece)
        return core.reads.piecesChanged()
      case 4:
        pieces?.clear(this.#random(PIECES))
        return core.obey({ type: 'doubted', torrent })
      case 5:
        core.reads.endAbandoned(core.reads.readers())
        return core.forgetOutdated()
      default:
        return this.#answerReports()
    }
  }

  #show(): void {
    const number = ++this.#torrent
    const pieces = SharedPieces.of(new Uint8Array(PIECES / 8), PIECES)
    this.#pieces.set(number, pieces)
    const half = (PIECES * PIECE) / 2
    const base = { parent: 0, kind: 'file', size: half } as const
    this.kernel.core.obey({
      type: 'show',
      torrent: {
        torrent: number,
        name: this.#pick(['0', '1', 'a', 'b']),
        mtimeMs: 0,
        nodes: [
          { kind: 'directory', ino: 5, name: '', parent: -1, file: -1, offset: 0, size: 0 },
          { ...base, ino: 6, name: 'a', file: 0, offset: 0 },
          { ...base, ino: 7, name: 'b', file: 1, offset: half },
        ],
        pieces: { pieceLength: PIECE, pieceCount: PIECES, memory: pieces.memory },
        storedBytes: undefined,
      },
    })
  }

  #answerReports(): void {
    const { core, reports } = this.kernel
    for (const report of reports.splice(0)) {
      if (report.type === 'place' || report.type === 'check') {
        const stamp = this.#pick([undefined, { size: 1n, mtimeNs: 1n, ino: 1n, dev: 1n }])
        const path = this.#pick([undefined, '/x'])
        const { torrent, file, type: asked } = report
        core.obey({ type: 'placed', asked, torrent, file, path, stamp })
      }
      if (report.type !== 'fetch' && report.type !== 'need') continue
      if (this.#random(2) === 0) core.obey({ type: 'failed', unique: report.unique, errno: 5 })
      else if (report.type === 'fetch' && core.reads.waits(report.unique)) {
        // The engine's side answers the kernel itself.
        this.outstanding.delete(report.unique)
        core.obey({ type: 'answered', unique: report.unique })
      }
    }
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#random(choices.length)]!
  }
}

test(`${COUNT} random and mutated requests are answered once each, seed ${SEED}`, () => {
  const fuzz = new Fuzz()
  for (let i = 0; i < COUNT; i++) {
    try {
      fuzz.step()
    } catch (error) {
      throw new Error(`at request ${i} of seed ${SEED}`, { cause: error })
    }
  }
  fuzz.finish()
  assert.ok(fuzz.answeredWithBytes > COUNT / 1000, `${fuzz.answeredWithBytes} reads were answered`)
  assert.ok(fuzz.mostBlocked > 10, `at most ${fuzz.mostBlocked} reads waited`)
})

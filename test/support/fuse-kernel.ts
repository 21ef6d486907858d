/**
 * The kernel's end of the FUSE protocol for tests of the session: makes requests, and reads replies strictly.
 */
import assert from 'node:assert/strict'
import { OPCODE } from '../../src/fs/backends/kernel/protocol/constants.js'
import type { Fate } from '../../src/fs/backends/kernel/reader-fate.js'
import { ReplyBuffer } from '../../src/fs/backends/kernel/reply-buffer.js'
import { SessionCore } from '../../src/fs/backends/kernel/session-core.js'
import { decodeRequest } from '../../src/fs/backends/kernel/protocol/decode.js'
import type { OpenedFile } from '../../src/fs/backends/kernel/open-handles.js'
import type { SessionReport } from '../../src/fs/backends/kernel/session-protocol.js'

const HEADER = 40

/** What was written to the device: a reply, or a notification (unique 0, its code in `errno`). */
export interface Written {
  unique: number
  /** Positive, 0 for success; of a notification, its code. */
  errno: number
  payload: Buffer
}

/** Fields of a request, in the order of the wire; numbers are 32 bits, bigints 64. */
export type Field = number | bigint | string | Uint8Array

export function bodyOf(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(field => {
      if (typeof field === 'string') return Buffer.from(`${field}\0`)
      if (typeof field === 'number') {
        const word = Buffer.alloc(4)
        word.writeUInt32LE(field >>> 0)
        return word
      }
      if (typeof field === 'bigint') {
        const words = Buffer.alloc(8)
        words.writeBigUInt64LE(BigInt.asUintN(64, field))
        return words
      }
      return Buffer.from(field)
    }),
  )
}

/** The bytes of a request. */
export function requestBytes(
  opcode: number,
  o: { unique: number; node?: number; pid?: number; body?: readonly Field[] },
): Buffer {
  const body = bodyOf(o.body ?? [])
  const bytes = Buffer.concat([Buffer.alloc(HEADER), body])
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(opcode, 4)
  bytes.writeBigUInt64LE(BigInt(o.unique), 8)
  bytes.writeBigUInt64LE(BigInt(o.node ?? 1), 16)
  bytes.writeUInt32LE(1000, 24)
  bytes.writeUInt32LE(1000, 28)
  bytes.writeUInt32LE(o.pid ?? 0, 32)
  return bytes
}

/** A session without a thread or a device, and the kernel that talks to it. */
export class FuseKernel {
  readonly written: Written[] = []
  readonly reports: SessionReport[] = []
  readonly closed: OpenedFile[] = []
  readonly core: SessionCore
  /** Bytes a file reads as; by default its position's low byte, repeated. */
  read: (opened: OpenedFile, target: Uint8Array, length: number, position: number) => number
  fate: (pid: number) => Fate = () => 'waiting'
  backing: (opened: OpenedFile) => number = () => 0
  #unique = 2

  constructor(o: { passthrough?: boolean } = {}) {
    this.read = (_opened, target, length, position) => {
      for (let i = 0; i < length; i++) target[i] = (position + i) & 0xff
      return length
    }
    this.core = new SessionCore({
      buffer: new ReplyBuffer(),
      uid: 7,
      gid: 8,
      passthrough: o.passthrough ?? false,
      port: {
        transmit: message => this.written.push(parseWritten(message)),
        report: report => this.reports.push(report),
        readFile: (opened, target, length, position) => this.read(opened, target, length, position),
        openBacking: opened => this.backing(opened),
        close: opened => this.closed.push(opened),
        fateOf: pid => this.fate(pid),
        nowMs: () => 1_700_000_000_000,
      },
    })
  }

  /** Hands the session a request. @returns its number */
  send(opcode: number, o: { node?: number; pid?: number; body?: readonly Field[] } = {}): number {
    const unique = (this.#unique += 2)
    this.deliver(requestBytes(opcode, { unique, ...o }))
    return unique
  }

  deliver(bytes: Uint8Array): void {
    const request = decodeRequest(bytes)
    if (request) this.core.handle(request)
  }

  /** The reply to a request, if there is one. */
  reply(unique: number): Written | undefined {
    const replies = this.written.filter(written => written.unique === unique)
    assert.ok(replies.length <= 1, `request ${unique} was answered ${replies.length} times`)
    return replies[0]
  }

  /** Sends a request that must be answered at once with success. */
  ask(opcode: number, o: { node?: number; pid?: number; body?: readonly Field[] } = {}): Buffer {
    const reply = this.reply(this.send(opcode, o))
    assert.ok(reply, `opcode ${opcode} was not answered`)
    assert.equal(reply.errno, 0, `opcode ${opcode}`)
    return reply.payload
  }

  /** The errno a request is answered with. */
  errno(
    opcode: number,
    o: { node?: number; pid?: number; body?: readonly Field[] } = {},
  ): number | undefined {
    return this.reply(this.send(opcode, o))?.errno
  }

  init(minor = 45, flags = 0xffffffff, flags2 = 0xffffffff): Buffer {
    return this.ask(OPCODE.INIT, { body: [7, minor, 131072, flags, flags2, Buffer.alloc(44)] })
  }

  /** @returns the node's id */
  lookup(parent: number, name: string): number {
    return Number(this.ask(OPCODE.LOOKUP, { node: parent, body: [name] }).readBigUInt64LE(0))
  }

  /** @returns handle, FOPEN flags and backing id */
  open(node: number, flags = 0): { handle: number; flags: number; backing: number } {
    return openOf(this.ask(OPCODE.OPEN, { node, body: [flags, 0] }))
  }

  /** Sends a read. @returns its number */
  startRead(handle: number, offset: number, size: number, pid = 0): number {
    const body = [BigInt(handle), BigInt(offset), size, 0, 0n, 0, 0]
    return this.send(OPCODE.READ, { node: 2, pid, body })
  }

  /** Reports of one kind, taken out. */
  take<T extends SessionReport['type']>(type: T): (SessionReport & { type: T })[] {
    const taken = this.reports.filter(report => report.type === type) as (SessionReport & { type: T })[]
    this.reports.splice(0, Infinity, ...this.reports.filter(report => report.type !== type))
    return taken
  }
}

export function openOf(payload: Buffer): { handle: number; flags: number; backing: number } {
  return {
    handle: Number(payload.readBigUInt64LE(0)),
    flags: payload.readUInt32LE(8),
    backing: payload.readUInt32LE(12),
  }
}

/** Names and node ids of a READDIR(PLUS) payload, with the offset to go on from. */
export function entriesOf(payload: Buffer, plus: boolean): { name: string; node: number; next: number }[] {
  const entries = []
  for (let at = 0; at < payload.length;) {
    const node = plus ? Number(payload.readBigUInt64LE(at)) : 0
    const dirent = at + (plus ? 128 : 0)
    const next = Number(payload.readBigUInt64LE(dirent + 8))
    const length = payload.readUInt32LE(dirent + 16)
    entries.push({ name: payload.toString('utf8', dirent + 24, dirent + 24 + length), node, next })
    at = dirent + Math.ceil((24 + length) / 8) * 8
  }
  return entries
}

/** @throws when it is not one whole message */
export function parseWritten(message: Uint8Array): Written {
  const bytes = Buffer.from(message)
  assert.ok(bytes.length >= 16, `${bytes.length} bytes are no message`)
  assert.equal(bytes.readUInt32LE(0), bytes.length, 'the length in the header')
  const error = bytes.readInt32LE(4)
  const unique = Number(bytes.readBigUInt64LE(8))
  if (unique === 0) assert.ok(error > 0, 'a notification has a code')
  else assert.ok(error <= 0 && error > -512, `an error of ${error}`)
  if (unique !== 0 && error !== 0) assert.equal(bytes.length, 16, 'an error has no payload')
  return { unique, errno: Math.abs(error), payload: bytes.subarray(16) }
}

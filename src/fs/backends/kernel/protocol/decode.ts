/**
 * Requests out of the bytes one read of the device returned. PURE. Little endian, as every machine Node runs on is.
 *
 * The kernel is trusted no more than a peer: no length inside a request is believed.
 */
import { OPCODE } from './constants.js'
import type { FuseRequest, RequestBody, RequestHead } from './request.js'

const HEADER = 40
const MODIFYING: ReadonlySet<number> = new Set([
  OPCODE.SETATTR,
  OPCODE.SYMLINK,
  OPCODE.MKNOD,
  OPCODE.MKDIR,
  OPCODE.UNLINK,
  OPCODE.RMDIR,
  OPCODE.RENAME,
  OPCODE.RENAME2,
  OPCODE.LINK,
  OPCODE.WRITE,
  OPCODE.SETXATTR,
  OPCODE.REMOVEXATTR,
  OPCODE.CREATE,
  OPCODE.FALLOCATE,
  OPCODE.COPY_FILE_RANGE,
  OPCODE.COPY_FILE_RANGE_64,
  OPCODE.TMPFILE,
  OPCODE.SETUPMAPPING,
  OPCODE.REMOVEMAPPING,
])
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Whether the protocol has no answer to such a request. */
export function hasNoReply(opcode: number): boolean {
  return (
    opcode === OPCODE.FORGET ||
    opcode === OPCODE.BATCH_FORGET ||
    opcode === OPCODE.INTERRUPT ||
    opcode === OPCODE.NOTIFY_REPLY
  )
}

/**
 * @param bytes exactly what one read returned; nothing of it is kept
 * @returns undefined when not even the header is whole; 'malformed' with a `unique` or `node` of 0 where the header's is
 *   2^53 or more
 */
export function decodeRequest(bytes: Uint8Array): FuseRequest | undefined {
  if (bytes.length < HEADER) return undefined
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const opcode = view.readUInt32LE(4)
  const unique = readId(view, 8)
  const node = readId(view, 16)
  const head: RequestHead = {
    unique: unique ?? 0,
    node: node ?? 0,
    uid: view.readUInt32LE(24),
    gid: view.readUInt32LE(28),
    pid: view.readUInt32LE(32),
  }
  const whole = view.readUInt32LE(0) === bytes.length && unique !== undefined && node !== undefined
  if (whole && opcode === OPCODE.READ)
    return readRequest(head, view) ?? { ...head, type: 'malformed', opcode }
  const body = whole ? bodyOf(opcode, view) : undefined
  return { ...head, ...(body ?? { type: 'malformed', opcode }) }
}

/** The one request that comes by the ten thousand a second, in one object made at once. */
function readRequest(head: RequestHead, view: Buffer): FuseRequest | undefined {
  if (view.length < HEADER + 40) return undefined
  const handle = readId(view, HEADER)
  const offset = readId(view, HEADER + 8)
  if (handle === undefined || offset === undefined) return undefined
  return {
    type: 'read',
    unique: head.unique,
    node: head.node,
    uid: head.uid,
    gid: head.gid,
    pid: head.pid,
    handle,
    offset,
    size: view.readUInt32LE(HEADER + 16),
    flags: view.readUInt32LE(HEADER + 32),
  }
}

/** An unsigned 64-bit number; undefined when it is 2^53 or more. */
function readId(view: Buffer, at: number): number | undefined {
  const high = view.readUInt32LE(at + 4)
  return high < 2 ** 21 ? high * 2 ** 32 + view.readUInt32LE(at) : undefined
}

/** @returns undefined when the argument is too short or senseless */
function bodyOf(opcode: number, view: Buffer): RequestBody | undefined {
  const has = (length: number): boolean => view.length >= HEADER + length
  const word = (at: number): number => view.readUInt32LE(HEADER + at)
  const id = (at: number): number | undefined => readId(view, HEADER + at)
  switch (opcode) {
    case OPCODE.READDIR:
    case OPCODE.READDIRPLUS: {
      const [handle, offset] = has(40) ? [id(0), id(8)] : []
      if (handle === undefined || offset === undefined) return undefined
      return { type: opcode === OPCODE.READDIR ? 'readdir' : 'readdirplus', handle, offset, size: word(16) }
    }
    case OPCODE.GETATTR:
      return has(16) ? { type: 'getattr' } : undefined
    case OPCODE.STATX:
      return has(24) ? { type: 'statx' } : undefined
    case OPCODE.LOOKUP:
      return nameBody(view, 0, name => ({ type: 'lookup', name }))
    case OPCODE.FORGET: {
      const lookups = has(8) ? id(0) : undefined
      return lookups === undefined ? undefined : { type: 'forget', lookups }
    }
    case OPCODE.BATCH_FORGET:
      return has(8) ? batchBody(view, word(0)) : undefined
    case OPCODE.OPEN:
      return has(8) ? { type: 'open', flags: word(0) } : undefined
    case OPCODE.OPENDIR:
      return has(8) ? { type: 'opendir' } : undefined
    case OPCODE.RELEASE:
    case OPCODE.RELEASEDIR: {
      const handle = has(24) ? id(0) : undefined
      if (handle === undefined) return undefined
      return { type: opcode === OPCODE.RELEASE ? 'release' : 'releasedir', handle }
    }
    case OPCODE.FLUSH: {
      const handle = has(24) ? id(0) : undefined
      return handle === undefined ? undefined : { type: 'flush', handle }
    }
    case OPCODE.INTERRUPT: {
      const target = has(8) ? id(0) : undefined
      return target === undefined ? undefined : { type: 'interrupt', target }
    }
    case OPCODE.GETXATTR:
      return has(8) ? nameBody(view, 8, name => ({ type: 'getxattr', name, size: word(0) })) : undefined
    case OPCODE.LISTXATTR:
      return has(8) ? { type: 'listxattr', size: word(0) } : undefined
    case OPCODE.ACCESS:
      return has(8) ? { type: 'access', mask: word(0) } : undefined
    case OPCODE.INIT:
      if (!has(8)) return undefined
      return {
        type: 'init',
        major: word(0),
        minor: word(4),
        maxReadahead: has(16) ? word(8) : 0,
        flags: has(16) ? word(12) : 0,
        flags2: has(20) ? word(16) : 0,
      }
    case OPCODE.STATFS:
      return { type: 'statfs' }
    case OPCODE.DESTROY:
      return { type: 'destroy' }
    case OPCODE.NOTIFY_REPLY:
      return { type: 'notifyReply' }
    default:
      return { type: MODIFYING.has(opcode) ? 'modify' : 'unknown', opcode }
  }
}

function nameBody(
  view: Buffer,
  skip: number,
  make: (name: string | undefined) => RequestBody,
): RequestBody | undefined {
  const begin = HEADER + skip
  const end = view.indexOf(0, begin)
  if (end === -1 || end === begin) return undefined
  return make(decodeName(view.subarray(begin, end)))
}

function decodeName(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function batchBody(view: Buffer, count: number): RequestBody | undefined {
  if (view.length < HEADER + 8 + count * 16) return undefined
  const items: { node: number; lookups: number }[] = []
  for (let i = 0; i < count; i++) {
    const at = HEADER + 8 + i * 16
    const node = readId(view, at)
    const lookups = readId(view, at + 8)
    if (node === undefined || lookups === undefined) return undefined
    items.push({ node, lookups })
  }
  return { type: 'batchForget', items }
}

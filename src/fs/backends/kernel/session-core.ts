/**
 * The session: requests of the kernel in, replies out. Knows no thread, no descriptor, no clock.
 *
 * Every request is answered exactly once, at once or when what it waits for has come, but for those the protocol has no
 * answer to.
 */
import { constants } from 'node:os'
import { messageOf } from '../../../torrent/index.js'
import { FileOpens } from './file-opens.js'
import { FileReads } from './file-reads.js'
import { NodeReplies } from './node-replies.js'
import { OpenHandles } from './open-handles.js'
import { hasNoReply } from './protocol/decode.js'
import { writeInitReply, writeStatfsReply } from './protocol/encode.js'
import { negotiate } from './protocol/negotiate.js'
import type { FuseRequest } from './protocol/request.js'
import { MAX_PAYLOAD, type ReplyBuffer } from './reply-buffer.js'
import type { SessionOrder } from './session-protocol.js'
import { Answers, type SessionPort } from './session-port.js'
import { ROOT_ID, SessionTree } from './session-tree.js'

const E = constants.errno
const W_OK = 2
const NAME_MAX = 255
/** Readahead is background work of the kernel's: with fewer than blocked readers need, every other file starves. */
const MAX_BACKGROUND = 65_535
/** Opcodes that are not known here and were logged. */
const MOST_LOGGED = 256

export interface SessionCoreOptions {
  readonly port: SessionPort
  readonly buffer: ReplyBuffer
  readonly uid: number
  readonly gid: number
  /** Whether to ask the kernel for passthrough. */
  readonly passthrough: boolean
}

export class SessionCore {
  readonly tree: SessionTree
  readonly reads: FileReads
  readonly #port: SessionPort
  readonly #answers: Answers
  readonly #replies: NodeReplies
  readonly opens: FileOpens
  readonly #handles = new OpenHandles()
  readonly #wantsPassthrough: boolean
  readonly #logged = new Set<number>()
  #ended = false

  constructor(o: SessionCoreOptions) {
    const { port, buffer } = o
    this.#port = port
    this.#wantsPassthrough = o.passthrough
    this.#answers = new Answers(port, buffer)
    this.tree = new SessionTree({ uid: o.uid, gid: o.gid, nowMs: port.nowMs() })
    this.#replies = new NodeReplies(this.tree, buffer.bytes, buffer.start)
    const shared = { port, answers: this.#answers, tree: this.tree }
    this.opens = new FileOpens({ ...shared, handles: this.#handles })
    this.reads = new FileReads({ ...shared, opens: this.opens })
  }

  /** Answers one request. Never throws. */
  handle(request: FuseRequest): void {
    let errno: number | undefined
    try {
      errno = this.#dispatch(request)
    } catch (error) {
      const text = `${request.type} failed: ${messageOf(error)}`
      this.#port.report({ type: 'log', level: 'error', text })
      errno = hasAnswer(request) ? E.EIO : undefined
    }
    if (errno !== undefined) this.#answers.fail(request.unique, errno)
  }

  /** Does what the engine's side says. */
  obey(order: SessionOrder): void {
    const now = this.#port.nowMs()
    switch (order.type) {
      case 'show':
        this.tree.show(order.torrent, now)
        return this.#rootChanged()
      case 'rename': {
        const before = this.tree.rename(order.torrent, order.name, order.mtimeMs, now)
        return before === undefined ? undefined : this.#rootChanged(before, order.name)
      }
      case 'hide': {
        const torrent = this.tree.hide(order.torrent, now)
        if (!torrent) return
        this.reads.endOf(torrent, E.EIO)
        this.opens.end(E.EIO, torrent)
        return this.#rootChanged(torrent.top.name)
      }
      case 'pieces':
      case 'doubted': {
        const torrent = this.tree.torrent(order.torrent)
        if (!torrent) return
        if (order.type === 'pieces') this.tree.learnPieces(torrent, order.memory)
        else this.opens.doubted(torrent)
        return this.reads.doubted(torrent)
      }
      case 'placed': {
        this.opens.placed(order)
        const torrent = this.tree.torrent(order.torrent)
        return torrent && this.reads.retry(torrent)
      }
      case 'failed':
        return this.reads.settled(order.unique, order.errno)
      case 'answered':
        return this.reads.settled(order.unique, undefined)
      case 'end':
        this.#ended = true
        this.reads.endAll(order.errno)
        return this.opens.end(order.errno)
      case 'stop':
        return
    }
  }

  /** Has the kernel forget attributes that are true no longer. To be called some times a second. */
  forgetOutdated(): void {
    for (const file of this.#replies.outdated()) this.#answers.forgetAttributes(file.id)
  }

  /** @returns a positive errno to answer with, 0 for an empty answer, undefined when it was answered or will be */
  #dispatch(request: FuseRequest): number | undefined {
    const { unique } = request
    switch (request.type) {
      case 'lookup':
        return this.#lookup(request.node, request.name, unique)
      case 'getattr':
      case 'statx': {
        const node = this.tree.node(request.node)
        if (!node) return E.ESTALE
        const isStatx = request.type === 'statx'
        return this.#answers.send(
          unique,
          isStatx ? this.#replies.statx(node) : this.#replies.attributes(node),
        )
      }
      case 'read': {
        const handle = this.#handles.all.get(request.handle)
        return handle ? this.reads.read(handle, request) : E.EBADF
      }
      case 'open': {
        const node = this.tree.node(request.node)
        if (!node) return E.ESTALE
        return this.#ended ? E.EIO : this.opens.open(node, request.flags, unique)
      }
      case 'opendir': {
        const node = this.tree.node(request.node)
        if (node?.kind !== 'directory') return node ? E.ENOTDIR : E.ESTALE
        return this.#answers.open(unique, this.#handles.openFolder(node).number, 0, 0)
      }
      case 'readdir':
      case 'readdirplus': {
        const open = this.#handles.folder(request.handle)
        if (!open) return E.EBADF
        const plus = request.type === 'readdirplus'
        return this.#answers.send(unique, this.#replies.list(open, request.offset, request.size, plus))
      }
      case 'release':
        return this.#release(request.handle)
      case 'releasedir':
        this.#handles.releaseFolder(request.handle)
        return 0
      case 'flush':
        if (this.#handles.all.has(request.handle))
          this.#port.report({ type: 'flush', handle: request.handle })
        return 0
      case 'forget':
        return void this.tree.forget(request.node, request.lookups)
      case 'batchForget':
        for (const { node, lookups } of request.items) this.tree.forget(node, lookups)
        return undefined
      case 'interrupt':
        if (!this.reads.interrupt(request.target)) this.opens.interrupt(request.target)
        return undefined
      case 'statfs':
        return this.#statfs(unique)
      case 'access':
        return (request.mask & W_OK) === 0 ? 0 : E.EROFS
      // The kernel then never asks again, and tells callers that there are none.
      case 'getxattr':
      case 'listxattr':
        return E.ENOSYS
      case 'modify':
        return E.EROFS
      case 'init':
        return this.#init(request)
      case 'destroy':
        return 0
      case 'notifyReply':
        return undefined
      case 'unknown':
        this.#logOnce(request.opcode)
        return E.ENOSYS
      case 'malformed':
        return hasNoReply(request.opcode) ? undefined : E.EINVAL
    }
  }

  #init(request: FuseRequest & { type: 'init' }): number | undefined {
    const agreed = negotiate(request, {
      passthrough: this.#wantsPassthrough,
      maxPages: MAX_PAYLOAD / 4096,
      maxBackground: MAX_BACKGROUND,
    })
    if (agreed.kind === 'refused') {
      this.#port.report({ type: 'refused', reason: agreed.reason })
      return E.EPROTO
    }
    const { bytes, start } = this.#answers.buffer
    this.#answers.sendTo(request.unique, writeInitReply(bytes, start, agreed.reply))
    if (agreed.kind === 'again') return undefined
    const { passthrough } = agreed.features
    this.opens.passthrough = passthrough
    this.#port.report({ type: 'ready', minor: agreed.reply.minor, passthrough })
    return undefined
  }

  #lookup(id: number, name: string | undefined, unique: number): number | undefined {
    const folder = this.tree.node(id)
    if (folder?.kind !== 'directory') return folder ? E.ENOTDIR : E.ESTALE
    if (name === undefined || folder.torrent?.removed === true) return E.ENOENT
    if (name.length > NAME_MAX / 4 && Buffer.byteLength(name) > NAME_MAX) return E.ENAMETOOLONG
    const length = this.#replies.lookup(folder, name)
    return length === 0 ? E.ENOENT : this.#answers.send(unique, length)
  }

  #statfs(unique: number): undefined {
    const blockSize = 4096
    const { bytes, start } = this.#answers.buffer
    const blocks = Math.ceil(this.tree.bytes / blockSize)
    const statistics = { blockSize, blocks, files: this.tree.count, nameMax: NAME_MAX }
    return this.#answers.sendTo(unique, writeStatfsReply(bytes, start, statistics))
  }

  #release(number: number): number {
    const handle = this.opens.release(number)
    if (handle) {
      this.reads.released(handle)
      this.#port.report({ type: 'release', handle: number })
    }
    return 0
  }

  /** Names of the root came or went: the kernel must look again. */
  #rootChanged(...names: readonly string[]): void {
    if (names.length > 0) this.#port.report({ type: 'forget', parent: ROOT_ID, names })
    if (!this.#replies.rootTold) return
    this.#replies.rootTold = false
    this.#answers.forgetAttributes(ROOT_ID)
  }

  #logOnce(opcode: number): void {
    if (this.#logged.has(opcode) || this.#logged.size >= MOST_LOGGED) return
    this.#logged.add(opcode)
    const text = `the kernel asks for what is not offered: opcode ${opcode}`
    this.#port.report({ type: 'log', level: 'debug', text })
  }
}

function hasAnswer(request: FuseRequest): boolean {
  return !['forget', 'batchForget', 'interrupt', 'notifyReply'].includes(request.type)
}

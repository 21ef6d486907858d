/**
 * Opening files: where their bytes lie, whether those are still the ones that were checked, and who serves them.
 *
 * A complete file is looked at by the engine's side whenever no one has it open yet, since anyone may have changed it on
 * the disk. If it is as it was, the kernel serves it by passthrough where it can. What cannot be undone is a file given to
 * the kernel: when it changes afterwards its node is replaced, so that the next to open it comes to us again.
 */
import { constants } from 'node:os'
import type { OpenedFile, OpenHandle, OpenHandles } from './open-handles.js'
import { FOPEN } from './protocol/constants.js'
import type { FileStamp, SessionOrder } from './session-protocol.js'
import type { Answers, SessionPort } from './session-port.js'
import type { SessionNode, SessionTorrent, SessionTree } from './session-tree.js'

const { EINTR, EIO, EISDIR, EROFS, ESTALE } = constants.errno
const O_ACCMODE = 3

export interface FileOpensParts {
  readonly port: SessionPort
  readonly answers: Answers
  readonly tree: SessionTree
  readonly handles: OpenHandles
}

export class FileOpens {
  readonly #port: SessionPort
  readonly #answers: Answers
  readonly #tree: SessionTree
  readonly #handles: OpenHandles
  /** The kernel agreed to passthrough. */
  passthrough = false

  constructor(parts: FileOpensParts) {
    this.#port = parts.port
    this.#answers = parts.answers
    this.#tree = parts.tree
    this.#handles = parts.handles
  }

  /** @returns a positive errno, or undefined when it was answered or will be */
  open(node: SessionNode, flags: number, unique: number): number | undefined {
    if (node.kind === 'directory') return EISDIR
    if ((flags & O_ACCMODE) !== 0) return EROFS
    if (node.torrent.removed) return EIO
    const opened = this.#handles.opened(node)
    const complete = this.#tree.isComplete(node)
    if (opened.backing !== 0 && !complete) {
      // The kernel looks the name up again, and finds the node that comes to us.
      this.#tree.renew(node)
      return ESTALE
    }
    const look = opened.handles === 0 && complete
    if (look || opened.waiting.length > 0) {
      opened.waiting.push({ unique, flags })
      if (opened.asked !== 'check') this.#ask(opened, 'check')
      return undefined
    }
    this.askPlace(opened)
    return this.#finish(opened, flags, unique)
  }

  /** Has the engine's side tell where the file is, if that is not known. */
  askPlace(opened: OpenedFile): void {
    if (opened.place || opened.asked || opened.file.torrent.pieceLength === 0) return
    this.#ask(opened, 'place')
  }

  placed(order: SessionOrder & { type: 'placed' }): void {
    for (const opened of this.#handles.files) {
      const { file } = opened
      if (file.torrent.number !== order.torrent || file.index !== order.file) continue
      if (opened.asked !== order.asked) continue
      opened.asked = undefined
      opened.place = order.path === undefined ? 'none' : { path: order.path, stamp: order.stamp }
      const unused = opened.handles === 0
      if (unused && order.stamp && this.passthrough) this.#giveToKernel(opened, order.stamp)
      for (const { flags, unique } of opened.waiting.splice(0)) this.#finish(opened, flags, unique)
    }
  }

  /** @returns the handle, if there was one */
  release(number: number): OpenHandle | undefined {
    const handle = this.#handles.release(number)
    if (handle) this.#discard(handle.opened)
    return handle
  }

  /** Ends a request to open that waits. */
  interrupt(unique: number): void {
    for (const opened of this.#handles.files) {
      const index = opened.waiting.findIndex(waiting => waiting.unique === unique)
      if (index === -1) continue
      opened.waiting.splice(index, 1)
      this.#answers.fail(unique, EINTR)
      return this.#discard(opened)
    }
  }

  /** Ends what waits to open files, of one torrent or of all. */
  end(errno: number, torrent?: SessionTorrent): void {
    for (const opened of [...this.#handles.files]) {
      if (torrent && opened.file.torrent !== torrent) continue
      for (const { unique } of opened.waiting.splice(0)) this.#answers.fail(unique, errno)
      this.#discard(opened)
    }
  }

  /** Whether the kernel serves a file by itself. */
  get given(): boolean {
    for (const { backing } of this.#handles.files) if (backing !== 0) return true
    return false
  }

  /** Has the files the kernel serves by itself looked at: nothing else would tell that someone changes one. */
  checkGiven(): void {
    for (const opened of this.#handles.files) {
      if (opened.backing !== 0 && opened.asked === undefined) this.#ask(opened, 'check')
    }
  }

  /** Pieces of a torrent are no longer stored. */
  doubted(torrent: SessionTorrent): void {
    for (const { file, backing } of [...this.#handles.files]) {
      if (file.torrent !== torrent || backing === 0 || this.#tree.isComplete(file)) continue
      if (!this.#tree.renew(file)) continue
      this.#port.report({ type: 'forget', parent: file.parent.id, names: [file.name] })
    }
  }

  #giveToKernel(opened: OpenedFile, stamp: FileStamp): void {
    opened.backing = this.#port.openBacking(opened)
    if (opened.backing === 0) return
    const text = `"${opened.file.name}" is served by the kernel itself (${stamp.size} bytes)`
    this.#port.report({ type: 'log', level: 'debug', text })
  }

  #ask(opened: OpenedFile, what: 'place' | 'check'): void {
    opened.asked = what
    const { torrent, index } = opened.file
    this.#port.report({ type: what, torrent: torrent.number, file: index })
  }

  #finish(opened: OpenedFile, flags: number, unique: number): undefined {
    const handle = this.#handles.open(opened, flags)
    const mode = opened.backing === 0 ? FOPEN.KEEP_CACHE : FOPEN.PASSTHROUGH
    return this.#answers.open(unique, handle.number, mode, opened.backing)
  }

  #discard(opened: OpenedFile): void {
    if (this.#handles.discard(opened)) this.#port.close(opened)
  }
}

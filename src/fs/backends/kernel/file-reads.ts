/**
 * Reading files: what is stored is answered at once from the file on the disk, everything else waits for the engine.
 */
import { constants } from 'node:os'
import { BlockedReads, type BlockedRead } from './blocked-reads.js'
import type { FileOpens } from './file-opens.js'
import type { OpenedFile, OpenHandle } from './open-handles.js'
import type { Fate } from './reader-fate.js'
import type { FuseRequest } from './protocol/request.js'
import { MAX_PAYLOAD } from './reply-buffer.js'
import type { ReadOrder } from './session-protocol.js'
import type { Answers, SessionPort } from './session-port.js'
import type { SessionTorrent, SessionTree } from './session-tree.js'

const { EAGAIN, EINTR, EINVAL, EIO, ENOENT } = constants.errno

/** Bytes read of a file before the engine hears of it: often enough for its window, seldom enough to cost nothing. */
const NOTE_BYTES = 1 << 20

export interface FileReadsParts {
  readonly port: SessionPort
  readonly answers: Answers
  readonly tree: SessionTree
  readonly opens: FileOpens
}

export class FileReads {
  readonly #port: SessionPort
  readonly #answers: Answers
  readonly #tree: SessionTree
  readonly #opens: FileOpens
  readonly #blocked = new BlockedReads()
  /** Handles with notes that were not told. */
  readonly #noted = new Set<OpenHandle>()
  #endedWith = 0

  constructor(parts: FileReadsParts) {
    this.#port = parts.port
    this.#answers = parts.answers
    this.#tree = parts.tree
    this.#opens = parts.opens
  }

  /** Number of reads that wait. */
  get blocked(): number {
    return this.#blocked.size
  }

  /** Whether the read of that number waits. */
  waits(unique: number): boolean {
    return this.#blocked.get(unique) !== undefined
  }

  /** Whether the engine has not heard of everything that was read. */
  get untold(): boolean {
    return this.#noted.size > 0
  }

  /** @returns a positive errno, 0 at the end of the file, undefined when it was answered or will be */
  read(handle: OpenHandle, request: FuseRequest & { type: 'read' }): number | undefined {
    const { unique, pid, offset: position, size } = request
    const length = Math.min(size, handle.file.size - position)
    if (length <= 0) return 0
    // A short answer would mean that the file ends there.
    if (length > MAX_PAYLOAD) return EINVAL
    const read: BlockedRead = { unique, pid, handle, position, length, asked: undefined }
    if (!this.#answer(read)) this.#blocked.add(read)
    return undefined
  }

  /** Answers what has become stored since the last call. */
  piecesChanged(): void {
    for (const torrent of this.#blocked.changed()) this.retry(torrent)
  }

  /** Tries every blocked read of a torrent again. */
  retry(torrent: SessionTorrent): void {
    for (const read of this.#blocked.of(torrent)) if (this.#answer(read)) this.#blocked.remove(read)
  }

  /** Pieces of a torrent are no longer stored: the engine may have let go what it took for stored. */
  doubted(torrent: SessionTorrent): void {
    for (const read of this.#blocked.of(torrent)) if (read.asked === 'need') read.asked = undefined
    this.retry(torrent)
  }

  /** The engine's side is done with a read. @param errno to answer with; undefined when it has answered */
  settled(unique: number, errno: number | undefined): void {
    const read = this.#blocked.get(unique)
    if (!read) return
    this.#blocked.remove(read)
    if (errno !== undefined) this.#answers.fail(unique, errno)
  }

  /** @returns whether a read of that number was waiting */
  interrupt(unique: number): boolean {
    const read = this.#blocked.get(unique)
    if (!read) return false
    // A page fault cannot be interrupted, only failed: the reader of a mapping would die of it.
    if (this.#port.fateOf(read.pid) !== 'faulting') this.#end(read, EINTR)
    return true
  }

  released(handle: OpenHandle): void {
    this.#tellNote(handle)
    for (const read of this.#blocked.of(handle.file.torrent))
      if (read.handle === handle) this.#end(read, EINTR)
  }

  /** Ends the reads of a torrent. */
  endOf(torrent: SessionTorrent, errno: number): void {
    for (const read of this.#blocked.of(torrent)) this.#end(read, errno)
  }

  /** Ends every read, now and later. */
  endAll(errno: number): void {
    this.#endedWith = errno
    for (const read of [...this.#blocked]) this.#end(read, errno)
  }

  /** Threads with blocked reads, as far as they are known. */
  readers(): Set<number> {
    const pids = new Set<number>()
    for (const { pid } of this.#blocked) if (pid !== 0) pids.add(pid)
    return pids
  }

  /** Ends the reads of those of `pids` that take no answer any more. */
  endAbandoned(pids: ReadonlySet<number>): void {
    const fates = new Map<number, Fate>()
    for (const pid of pids) {
      const fate = this.#port.fateOf(pid)
      if (fate === 'gone' || fate === 'interrupted') fates.set(pid, fate)
    }
    if (fates.size === 0) return
    for (const read of [...this.#blocked]) if (fates.has(read.pid)) this.#end(read, EINTR)
  }

  /** Tells the engine what was read and not told. */
  tellNotes(): void {
    for (const handle of this.#noted) this.#tellNote(handle)
  }

  /** @returns whether the read was answered, if only with an error */
  #answer(read: BlockedRead): boolean {
    const { handle, position, length, unique } = read
    const { file, opened } = handle
    const { torrent } = file
    if (this.#endedWith || torrent.removed) {
      this.#answers.fail(unique, this.#endedWith || EIO)
      return true
    }
    if (read.asked === 'fetch') return false
    if (torrent.pieceLength === 0 || opened.place === 'none') return this.#ask(read, 'fetch')
    const { pieces, pieceLength } = torrent
    const first = Math.floor((file.offset + position) / pieceLength)
    const end = Math.floor((file.offset + position + length - 1) / pieceLength) + 1
    if (!pieces?.hasAll(first, end)) return this.#ask(read, 'need')
    if (!opened.place) {
      this.#opens.askPlace(opened)
      return false
    }
    const { doubts } = pieces
    const count = this.#port.readFile(opened, this.#answers.buffer.payload, length, position)
    // What is stored no longer now may have been anything while it was read.
    if (count === length && pieces.doubts === doubts) {
      this.#answers.send(unique, length)
      this.#note(handle, position, length)
      return true
    }
    if (count !== length && count !== -EAGAIN) {
      const text = `"${opened.place.path}" at ${position}: ${count} instead of ${length} bytes`
      this.#port.report({ type: 'log', level: 'debug', text })
    }
    // It may have been given its name.
    if (count === -ENOENT) opened.place = undefined
    return this.#ask(read, 'fetch')
  }

  #ask(read: BlockedRead, what: 'need' | 'fetch'): false {
    if (read.asked === what) return false
    if (read.asked !== undefined) this.#port.report({ type: 'drop', unique: read.unique })
    read.asked = what
    this.#tellNote(read.handle)
    const { unique, handle, position, length } = read
    this.#port.report({ type: what, unique, ...orderOf(handle, position, length) })
    return false
  }

  #end(read: BlockedRead, errno: number): void {
    this.#blocked.remove(read)
    if (read.asked !== undefined) this.#port.report({ type: 'drop', unique: read.unique })
    this.#answers.fail(read.unique, errno)
  }

  #note(handle: OpenHandle, position: number, length: number): void {
    if (this.#isComplete(handle.opened)) return
    if (position !== handle.noteEnd) {
      this.#tellNote(handle)
      handle.noteBegin = position
    }
    handle.noteEnd = position + length
    if (handle.noteEnd - handle.noteBegin >= NOTE_BYTES) this.#tellNote(handle)
    else this.#noted.add(handle)
  }

  #tellNote(handle: OpenHandle): void {
    this.#noted.delete(handle)
    const { noteBegin, noteEnd } = handle
    if (noteEnd <= noteBegin) return
    handle.noteBegin = noteEnd
    this.#port.report({ type: 'note', ...orderOf(handle, noteBegin, noteEnd - noteBegin) })
  }

  #isComplete(opened: OpenedFile): boolean {
    const version = opened.file.torrent.pieces?.version
    if (opened.completeVersion !== version) {
      opened.completeVersion = version
      opened.complete = this.#tree.isComplete(opened.file)
    }
    return opened.complete
  }
}

function orderOf(handle: OpenHandle, position: number, length: number): Omit<ReadOrder, 'unique'> {
  const { number, file, flags } = handle
  return { handle: number, torrent: file.torrent.number, file: file.index, flags, position, length }
}

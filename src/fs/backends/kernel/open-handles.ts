/**
 * What is open: handles the kernel was given, and what all handles of one file share.
 *
 * Owns the numbers. All handles of one file are served in one mode as long as any is open: the kernel answers with errors
 * when a file is open both with passthrough and without.
 */
import type { FileStamp } from './session-protocol.js'
import type { SessionFile, SessionFolder, SessionNode } from './session-tree.js'

/** Where a file's bytes lie on the disk. */
export interface FilePlace {
  readonly path: string
  /** What it looked like when its bytes were checked; undefined for a file that is not complete. */
  readonly stamp: FileStamp | undefined
}

/** A file with at least one handle, or one about to be. */
export interface OpenedFile {
  readonly file: SessionFile
  handles: number
  /** `none`: the engine's side knows none. */
  place: FilePlace | 'none' | undefined
  /** The place was asked for and has not been told. */
  asked: 'place' | 'check' | undefined
  /** Requests to open that wait for the place. */
  readonly waiting: { readonly unique: number; readonly flags: number }[]
  /** The kernel's number of the passthrough file; 0 when reads come to us. */
  backing: number
  /** Everything of it is stored; as of `completeVersion` of the torrent's pieces. */
  complete: boolean
  completeVersion: number | undefined
}

export interface OpenHandle {
  readonly number: number
  readonly opened: OpenedFile
  readonly file: SessionFile
  /** Of open(2). */
  readonly flags: number
  /** Stored bytes [noteBegin, noteEnd) that were read and not yet told to the engine. */
  noteBegin: number
  noteEnd: number
}

export interface OpenFolder {
  readonly number: number
  readonly folder: SessionFolder
  /** As the folder was at the first read from the start. */
  listing: readonly SessionNode[] | undefined
}

export class OpenHandles {
  readonly #files = new Map<SessionFile, OpenedFile>()
  readonly #handles = new Map<number, OpenHandle>()
  readonly #folders = new Map<number, OpenFolder>()
  #next = 1

  /** Handles of files. */
  get all(): ReadonlyMap<number, OpenHandle> {
    return this.#handles
  }

  get files(): Iterable<OpenedFile> {
    return this.#files.values()
  }

  folder(number: number): OpenFolder | undefined {
    return this.#folders.get(number)
  }

  /** What the handles of a file share, made if need be; forgotten by {@link discard}. */
  opened(file: SessionFile): OpenedFile {
    let opened = this.#files.get(file)
    if (!opened) {
      opened = {
        file,
        handles: 0,
        place: undefined,
        asked: undefined,
        waiting: [],
        backing: 0,
        complete: false,
        completeVersion: undefined,
      }
      this.#files.set(file, opened)
    }
    return opened
  }

  open(opened: OpenedFile, flags: number): OpenHandle {
    const number = this.#next++
    opened.handles++
    const handle = { number, opened, file: opened.file, flags, noteBegin: 0, noteEnd: 0 }
    this.#handles.set(number, handle)
    return handle
  }

  release(number: number): OpenHandle | undefined {
    const handle = this.#handles.get(number)
    if (!handle) return undefined
    this.#handles.delete(number)
    handle.opened.handles--
    return handle
  }

  /** Forgets a file that nothing holds any more. @returns whether it did: what it owns is the caller's to close */
  discard(opened: OpenedFile): boolean {
    if (opened.handles > 0 || opened.waiting.length > 0) return false
    return this.#files.delete(opened.file)
  }

  openFolder(folder: SessionFolder): OpenFolder {
    const open: OpenFolder = { number: this.#next++, folder, listing: undefined }
    this.#folders.set(open.number, open)
    return open
  }

  releaseFolder(number: number): void {
    this.#folders.delete(number)
  }
}

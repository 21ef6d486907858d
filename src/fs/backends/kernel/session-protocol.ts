/**
 * What the engine's thread and the session's thread say to each other. Plain data, for structured clone.
 *
 * Each message is a list, applied in order: what one turn has to say goes at once. Torrents and files are named by numbers
 * that the engine's side gives out and never uses again.
 */

/** One node below a torrent's top, or the top itself. A parent comes before its children. */
export interface NodeReplica {
  readonly kind: 'file' | 'directory'
  /** What `stat` shows. */
  readonly ino: number
  /** Ignored for the top, whose name is the torrent's. */
  readonly name: string
  /** Index of the parent in the same list; -1 for the top. */
  readonly parent: number
  /** Index of the file in the torrent; -1 for folders. */
  readonly file: number
  /** First byte of the file in the torrent. */
  readonly offset: number
  /** Bytes. */
  readonly size: number
}

/** A torrent as the session sees it. */
export interface TorrentReplica {
  readonly torrent: number
  /** Of its node in the root. */
  readonly name: string
  /** ms since the epoch. */
  readonly mtimeMs: number
  readonly nodes: readonly NodeReplica[]
  /** How its stored bytes can be read by another thread; undefined when they cannot. */
  readonly pieces: PiecesReplica | undefined
  /** Stored bytes of each file (float64), kept up to date by the engine's side, where `pieces` is undefined. */
  readonly storedBytes: SharedArrayBuffer | undefined
}

export interface PiecesReplica {
  /** Bytes. */
  readonly pieceLength: number
  readonly pieceCount: number
  /** See {@link SharedPieces}; undefined as long as nothing is stored. */
  readonly memory: SharedArrayBuffer | undefined
}

/** What a file on the disk looked like when its bytes were checked. */
export interface FileStamp {
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ino: bigint
  readonly dev: bigint
}

/** From the engine's side. */
export type SessionOrder =
  | { readonly type: 'show'; readonly torrent: TorrentReplica }
  | { readonly type: 'rename'; readonly torrent: number; readonly name: string; readonly mtimeMs: number }
  | { readonly type: 'hide'; readonly torrent: number }
  /** From now on something of it is stored. */
  | { readonly type: 'pieces'; readonly torrent: number; readonly memory: SharedArrayBuffer }
  /** Pieces of it are stored no longer: what waits must be asked for anew. */
  | { readonly type: 'doubted'; readonly torrent: number }
  /** Answer to `place` or `check`. `stamp` is given when it was `check` and the file is complete and unchanged. */
  | {
      readonly type: 'placed'
      readonly asked: 'place' | 'check'
      readonly torrent: number
      readonly file: number
      readonly path: string | undefined
      readonly stamp: FileStamp | undefined
    }
  /** A request ends with an error: a positive errno. */
  | { readonly type: 'failed'; readonly unique: number; readonly errno: number }
  /** The engine's side has answered this `fetch` itself. */
  | { readonly type: 'answered'; readonly unique: number }
  /** Every read, now and later, ends with that errno. */
  | { readonly type: 'end'; readonly errno: number }
  /** Leave the loop. */
  | { readonly type: 'stop' }

/** A read that cannot be answered by the session alone. */
export interface ReadOrder {
  readonly unique: number
  readonly handle: number
  readonly torrent: number
  readonly file: number
  /** Of the open file, as open(2) has them. */
  readonly flags: number
  /** Bytes from the start of the file. */
  readonly position: number
  readonly length: number
}

/** From the session's side. */
export type SessionReport =
  /** The kernel and we agree; the mount answers. */
  | { readonly type: 'ready'; readonly minor: number; readonly passthrough: boolean }
  /** The kernel and we cannot talk. */
  | { readonly type: 'refused'; readonly reason: string }
  /** Where is that file? `check`: and is it, being complete, still the one that was checked? */
  | { readonly type: 'place' | 'check'; readonly torrent: number; readonly file: number }
  /** Tell when (or that) these bytes are stored. */
  | ({ readonly type: 'need' } & ReadOrder)
  /** Read these bytes and answer the kernel. */
  | ({ readonly type: 'fetch' } & ReadOrder)
  /** No one waits any more for this `need` or `fetch`. */
  | { readonly type: 'drop'; readonly unique: number }
  /** Stored bytes were read. */
  | ({ readonly type: 'note' } & Omit<ReadOrder, 'unique'>)
  | { readonly type: 'flush'; readonly handle: number }
  | { readonly type: 'release'; readonly handle: number }
  /** Names the kernel must forget. Not from the session's thread: the kernel may wait for an answer of it meanwhile. */
  | { readonly type: 'forget'; readonly parent: number; readonly names: readonly string[] }
  /** The kernel's list of mounts has changed. */
  | { readonly type: 'mountsChanged' }
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly text: string }
  /** The loop was left: the connection is gone, or `stop` was asked for. */
  | { readonly type: 'ended'; readonly reason: string }

/** What the session's thread starts with. */
export interface SessionStart {
  /** The connection to the kernel, non-blocking. Owned by the engine's side. */
  readonly device: number
  /** An eventfd that wakes the loop. Owned by the engine's side. */
  readonly wake: number
  /** See {@link WakeFlag}. */
  readonly control: SharedArrayBuffer
  readonly uid: number
  readonly gid: number
  readonly passthrough: boolean
}

/**
 * The session's own copy of the tree: what the kernel knows by node ids. PURE.
 *
 * Owns the ids. An id names one node for ever: the kernel keeps what it has cached under it, and what it has cached of a
 * torrent that is gone must never be shown for another. A node lives as long as it is in the tree or the kernel has it.
 */
import type { NodeAttributes } from './protocol/encode.js'
import type { NodeReplica, TorrentReplica } from './session-protocol.js'
import { SharedPieces } from './shared-pieces.js'

export const ROOT_ID = 1

interface NodeBase {
  readonly id: number
  readonly ino: number
  name: string
  /** How many times the kernel was told of it and has not forgotten. */
  lookups: number
}

export interface SessionFolder extends NodeBase {
  readonly kind: 'directory'
  /** Undefined for the root. */
  readonly parent: SessionFolder | undefined
  /** Undefined for the root. */
  readonly torrent: SessionTorrent | undefined
  readonly children: Map<string, SessionNode>
  subdirectories: number
  /** The children in the order in which they are listed; made when it is asked for, dropped when they change. */
  listing: readonly SessionNode[] | undefined
}

export interface SessionFile extends NodeBase {
  readonly kind: 'file'
  readonly parent: SessionFolder
  readonly torrent: SessionTorrent
  /** In the torrent. */
  readonly index: number
  /** First byte in the torrent. */
  readonly offset: number
  /** Bytes. */
  readonly size: number
  /** `st_blocks` as the kernel was told last, while that may still change. */
  toldBlocks: number | undefined
}

export type SessionNode = SessionFolder | SessionFile

/** A torrent of the tree. */
export interface SessionTorrent {
  readonly number: number
  top: SessionNode
  mtimeMs: number
  removed: boolean
  /** 0 when its stored bytes cannot be read by this thread. */
  readonly pieceLength: number
  readonly pieceCount: number
  pieces: SharedPieces | undefined
  readonly storedBytes: Float64Array | undefined
  /** Files whose blocks the kernel was told and that may have grown since. */
  readonly told: Set<SessionFile>
  /** Version of the pieces when `told` was looked at; -1 when there were none. */
  toldVersion: number
}

const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const BLOCK = 512

export class SessionTree {
  readonly root: SessionFolder
  readonly #uid: number
  readonly #gid: number
  readonly #nodes = new Map<number, SessionNode>()
  readonly #torrents = new Map<number, SessionTorrent>()
  /** Torrents with files in `told`. */
  readonly torrentsTold = new Set<SessionTorrent>()
  /** Nodes that were renewed and that the kernel still knows. */
  readonly #retired = new Set<SessionFile>()
  #nextId = ROOT_ID + 1
  #rootMtimeMs: number
  #bytes = 0
  #count = 1

  constructor(o: { uid: number; gid: number; nowMs: number }) {
    this.#uid = o.uid
    this.#gid = o.gid
    this.#rootMtimeMs = o.nowMs
    this.root = makeFolder(ROOT_ID, ROOT_ID, '', undefined, undefined)
    this.#nodes.set(ROOT_ID, this.root)
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#bytes
  }

  /** Nodes in the tree, the root included. */
  get count(): number {
    return this.#count
  }

  /** Ids that are in use, for tests of what is kept. */
  get known(): number {
    return this.#nodes.size
  }

  get torrents(): Iterable<SessionTorrent> {
    return this.#torrents.values()
  }

  node(id: number): SessionNode | undefined {
    return this.#nodes.get(id)
  }

  torrent(number: number): SessionTorrent | undefined {
    return this.#torrents.get(number)
  }

  /** Adds a torrent under a name that is free, or about to be. */
  show(replica: TorrentReplica, nowMs: number): void {
    const { pieces, storedBytes } = replica
    const torrent: Omit<SessionTorrent, 'top'> & { top?: SessionNode } = {
      number: replica.torrent,
      mtimeMs: replica.mtimeMs,
      removed: false,
      pieceLength: pieces?.pieceLength ?? 0,
      pieceCount: pieces?.pieceCount ?? 0,
      pieces: pieces?.memory && SharedPieces.in(pieces.memory, pieces.pieceCount),
      storedBytes: storedBytes && new Float64Array(storedBytes),
      told: new Set(),
      toldVersion: -1,
    }
    const nodes: SessionNode[] = []
    for (const replicated of replica.nodes) {
      const parent = replicated.parent === -1 ? this.root : (nodes[replicated.parent] as SessionFolder)
      const name = replicated.parent === -1 ? replica.name : replicated.name
      nodes.push(this.#add(replicated, name, parent, torrent as SessionTorrent))
    }
    torrent.top = nodes[0]!
    this.#torrents.set(replica.torrent, torrent as SessionTorrent)
    this.#rootMtimeMs = nowMs
  }

  /** From now on something of the torrent is stored. */
  learnPieces(torrent: SessionTorrent, memory: SharedArrayBuffer): void {
    torrent.pieces = SharedPieces.in(memory, torrent.pieceCount)
  }

  /** @returns the name it had in the root, if it is there */
  rename(number: number, name: string, mtimeMs: number, nowMs: number): string | undefined {
    const torrent = this.#torrents.get(number)
    if (torrent === undefined) return undefined
    const before = torrent.top.name
    this.#detach(torrent.top)
    torrent.top.name = name
    torrent.mtimeMs = mtimeMs
    this.#attach(torrent.top)
    this.#rootMtimeMs = nowMs
    return before
  }

  /** Takes a torrent out; nodes the kernel knows stay known to be of it. @returns it, if it was there */
  hide(number: number, nowMs: number): SessionTorrent | undefined {
    const torrent = this.#torrents.get(number)
    if (torrent === undefined) return undefined
    this.#torrents.delete(number)
    torrent.removed = true
    torrent.told.clear()
    this.torrentsTold.delete(torrent)
    this.#detach(torrent.top)
    const stack: SessionNode[] = [torrent.top]
    for (let node = stack.pop(); node; node = stack.pop()) {
      this.#count--
      if (node.kind === 'file') this.#bytes -= node.size
      else for (const child of node.children.values()) stack.push(child)
      if (node.lookups === 0) this.#nodes.delete(node.id)
    }
    this.#rootMtimeMs = nowMs
    return torrent
  }

  /**
   * Puts a new node, with a new id, in the place of a file: what the kernel holds open or cached of the old one is no
   * longer seen under its name. @returns the new one; undefined when the file was renewed before
   */
  renew(file: SessionFile): SessionFile | undefined {
    if (file.parent.children.get(file.name) !== file) return undefined
    const fresh: SessionFile = { ...file, id: this.#nextId++, lookups: 0, toldBlocks: undefined }
    file.torrent.told.delete(file)
    this.#nodes.set(fresh.id, fresh)
    file.parent.children.set(file.name, fresh)
    file.parent.listing = undefined
    if (file.torrent.top === file) file.torrent.top = fresh
    this.#retired.add(file)
    return fresh
  }

  /** The kernel no longer counts so many lookups of a node. */
  forget(id: number, lookups: number): void {
    const node = this.#nodes.get(id)
    if (node === undefined || id === ROOT_ID) return
    node.lookups = Math.max(0, node.lookups - lookups)
    if (node.lookups > 0) return
    const retired = node.kind === 'file' && this.#retired.delete(node)
    if (retired || node.torrent?.removed === true) this.#nodes.delete(id)
  }

  /** Children in a fixed order, as they are now. */
  listing(folder: SessionFolder): readonly SessionNode[] {
    return (folder.listing ??= [...folder.children.values()])
  }

  /** Bytes of a file that are stored. */
  storedBytes(file: SessionFile): number {
    const { torrent, offset, size } = file
    if (torrent.storedBytes) return torrent.storedBytes[file.index] ?? 0
    return torrent.pieces?.storedBytes(offset, offset + size, torrent.pieceLength) ?? 0
  }

  /** Whether all of a file is stored, in pieces this thread can read. */
  isComplete(file: SessionFile): boolean {
    const { torrent, offset, size } = file
    if (torrent.pieces === undefined || size === 0) return false
    const last = Math.floor((offset + size - 1) / torrent.pieceLength)
    return torrent.pieces.hasAll(Math.floor(offset / torrent.pieceLength), last + 1)
  }

  attributes(node: SessionNode): NodeAttributes {
    const isFile = node.kind === 'file'
    return {
      ino: node.ino,
      mode: isFile ? S_IFREG | 0o444 : S_IFDIR | 0o555,
      nlink: isFile ? 1 : 2 + node.subdirectories,
      uid: this.#uid,
      gid: this.#gid,
      size: isFile ? node.size : 0,
      blocks: isFile ? Math.ceil(this.storedBytes(node) / BLOCK) : 0,
      mtimeMs: node.torrent?.mtimeMs ?? this.#rootMtimeMs,
    }
  }

  #add(r: NodeReplica, name: string, parent: SessionFolder, torrent: SessionTorrent): SessionNode {
    const id = this.#nextId++
    const node: SessionNode =
      r.kind === 'directory'
        ? makeFolder(id, r.ino, name, parent, torrent)
        : {
            kind: 'file',
            id,
            ino: r.ino,
            name,
            lookups: 0,
            parent,
            torrent,
            index: r.file,
            offset: r.offset,
            size: r.size,
            toldBlocks: undefined,
          }
    this.#nodes.set(id, node)
    this.#attach(node)
    this.#count++
    if (node.kind === 'file') this.#bytes += node.size
    return node
  }

  #attach(node: SessionNode): void {
    const parent = node.parent!
    const displaced = parent.children.get(node.name)
    if (displaced?.kind === 'directory') parent.subdirectories--
    parent.children.set(node.name, node)
    if (node.kind === 'directory') parent.subdirectories++
    parent.listing = undefined
  }

  /** Only if the name is still its own: names change hands in any order. */
  #detach(node: SessionNode): void {
    const parent = node.parent!
    if (parent.children.get(node.name) !== node) return
    parent.children.delete(node.name)
    if (node.kind === 'directory') parent.subdirectories--
    parent.listing = undefined
  }
}

function makeFolder(
  id: number,
  ino: number,
  name: string,
  parent: SessionFolder | undefined,
  torrent: SessionTorrent | undefined,
): SessionFolder {
  return {
    kind: 'directory',
    id,
    ino,
    name,
    lookups: 0,
    parent,
    torrent,
    children: new Map(),
    subdirectories: 0,
    listing: undefined,
  }
}

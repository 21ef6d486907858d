/**
 * Keeps the session's copy of the tree, and of which pieces are stored, like the engine's.
 *
 * Owns the numbers torrents have between the two threads, and the memory they share. Only says; what is read is
 * engine-reads'.
 */
import type { FilePort, StoredFilesPort, TorrentPort } from '../../ports.js'
import type { TorrentFs } from '../../torrent-fs.js'
import type { FileNode, TreeEntry, TreeNode } from '../../tree.js'
import type { NodeReplica, SessionOrder, TorrentReplica } from './session-protocol.js'
import { SharedPieces } from './shared-pieces.js'

/** How often (ms) stored bytes are told of torrents whose pieces cannot be shared. */
const STORED_BYTES_MS = 400

/** A torrent that both sides know. */
export interface MirroredTorrent {
  readonly number: number
  readonly infohash: string
  readonly port: TorrentPort
  readonly entry: TreeEntry<FilePort>
  /** Undefined when its stored bytes cannot be read by another thread. */
  readonly stored: StoredFilesPort | undefined
  pieces: SharedPieces | undefined
  readonly storedBytes: Float64Array | undefined
  /** Nodes by file; made when one is asked for. */
  nodes: Map<number, FileNode<FilePort>> | undefined
  /** Needs of it that are not met. */
  needs: number
  leave(): void
}

export interface TreeMirrorOptions {
  readonly fs: TorrentFs
  send(order: SessionOrder): void
  /** A piece was stored of a torrent with needs. */
  wake(): void
}

export class TreeMirror {
  readonly #send: (order: SessionOrder) => void
  readonly #wake: () => void
  readonly #byInfohash = new Map<string, MirroredTorrent>()
  readonly #byNumber = new Map<number, MirroredTorrent>()
  readonly #unwatch: () => void
  readonly #doubted = new Set<MirroredTorrent>()
  #next = 1
  #refresh: NodeJS.Timeout | undefined

  constructor(o: TreeMirrorOptions) {
    this.#send = order => o.send(order)
    this.#wake = () => o.wake()
    for (const entry of o.fs.tree.entries()) this.#show(entry, o.fs.torrent(entry.torrent.infohash))
    this.#unwatch = o.fs.watch({
      shown: (entry, torrent) => this.#show(entry, torrent),
      renamed: entry => this.#rename(entry),
      removed: entry => this.#hide(entry.torrent.infohash),
    })
  }

  get(number: number): MirroredTorrent | undefined {
    return this.#byNumber.get(number)
  }

  /** The node of a file. */
  node(mirrored: MirroredTorrent, file: number): FileNode<FilePort> | undefined {
    mirrored.nodes ??= nodesOf(mirrored.entry)
    return mirrored.nodes.get(file)
  }

  close(): void {
    this.#unwatch()
    clearInterval(this.#refresh)
    for (const mirrored of this.#byNumber.values()) mirrored.leave()
    this.#byNumber.clear()
    this.#byInfohash.clear()
  }

  #show(entry: TreeEntry<FilePort>, port: TorrentPort | undefined): void {
    const { infohash, files } = entry.torrent
    if (!port || this.#byInfohash.has(infohash)) return
    const stored = port.storedFiles
    const mirrored: MirroredTorrent = {
      number: this.#next++,
      infohash,
      port,
      entry,
      stored,
      pieces: undefined,
      storedBytes: stored ? undefined : new Float64Array(new SharedArrayBuffer(files.length * 8)),
      nodes: undefined,
      needs: 0,
      leave() {},
    }
    this.#byInfohash.set(infohash, mirrored)
    this.#byNumber.set(mirrored.number, mirrored)
    if (stored) this.#followPieces(mirrored, stored)
    else this.#followBytes(mirrored)
    this.#send({ type: 'show', torrent: replicaOf(mirrored) })
  }

  #rename(entry: TreeEntry<FilePort>): void {
    const mirrored = this.#byInfohash.get(entry.torrent.infohash)
    if (!mirrored) return
    const { number } = mirrored
    this.#send({ type: 'rename', torrent: number, name: entry.top.name, mtimeMs: entry.mtimeMs })
  }

  #hide(infohash: string): void {
    const mirrored = this.#byInfohash.get(infohash)
    if (!mirrored) return
    mirrored.leave()
    this.#byInfohash.delete(infohash)
    this.#byNumber.delete(mirrored.number)
    this.#send({ type: 'hide', torrent: mirrored.number })
  }

  #followPieces(mirrored: MirroredTorrent, stored: StoredFilesPort): void {
    const { port } = mirrored
    const share = (): SharedPieces => SharedPieces.of(stored.bitfield(), stored.pieceCount)
    if (stored.bitfield().some(byte => byte !== 0)) mirrored.pieces = share()
    const onStored = (piece: number): void => {
      if (mirrored.pieces) mirrored.pieces.set(piece)
      else {
        mirrored.pieces = share()
        this.#send({ type: 'pieces', torrent: mirrored.number, memory: mirrored.pieces.memory })
      }
      if (mirrored.needs > 0) this.#wake()
    }
    const onDoubted = (piece: number): void => {
      mirrored.pieces?.clear(piece)
      this.#noteDoubt(mirrored)
    }
    port.on('stored', onStored)
    port.on('doubted', onDoubted)
    mirrored.leave = () => {
      port.off('stored', onStored)
      port.off('doubted', onDoubted)
    }
  }

  /** All doubts of one turn are told at once. */
  #noteDoubt(mirrored: MirroredTorrent): void {
    if (this.#doubted.size === 0) {
      queueMicrotask(() => {
        for (const { number } of this.#doubted) this.#send({ type: 'doubted', torrent: number })
        this.#doubted.clear()
      })
    }
    this.#doubted.add(mirrored)
  }

  #followBytes(mirrored: MirroredTorrent): void {
    refreshBytes(mirrored)
    this.#refresh ??= setInterval(() => {
      for (const each of this.#byNumber.values()) refreshBytes(each)
    }, STORED_BYTES_MS).unref()
  }
}

function refreshBytes({ storedBytes, port }: MirroredTorrent): void {
  if (!storedBytes) return
  port.files.forEach((file, index) => {
    if (index < storedBytes.length) storedBytes[index] = file.storedBytes
  })
}

function* walk(top: TreeNode<FilePort>): Generator<TreeNode<FilePort>> {
  const stack = [top]
  for (let node = stack.pop(); node; node = stack.pop()) {
    yield node
    if (node.kind === 'directory') stack.push(...[...node.children.values()].reverse())
  }
}

function indexOfFiles(entry: TreeEntry<FilePort>): Map<FilePort, number> {
  return new Map(entry.torrent.files.map((file, index) => [file, index]))
}

function nodesOf(entry: TreeEntry<FilePort>): Map<number, FileNode<FilePort>> {
  const indices = indexOfFiles(entry)
  const nodes = new Map<number, FileNode<FilePort>>()
  for (const node of walk(entry.top)) if (node.kind === 'file') nodes.set(indices.get(node.file)!, node)
  return nodes
}

function replicaOf({ number, entry, stored, pieces, storedBytes }: MirroredTorrent): TorrentReplica {
  const indices = indexOfFiles(entry)
  const positions = new Map<TreeNode<FilePort>, number>()
  const nodes: NodeReplica[] = []
  for (const node of walk(entry.top)) {
    const file = node.kind === 'file' ? indices.get(node.file)! : -1
    positions.set(node, nodes.length)
    nodes.push({
      kind: node.kind,
      ino: node.ino,
      name: node === entry.top ? '' : node.name,
      parent: node === entry.top ? -1 : positions.get(node.parent!)!,
      file,
      offset: file === -1 ? 0 : (stored?.offset(file) ?? 0),
      size: node.kind === 'file' ? node.file.length : 0,
    })
  }
  return {
    torrent: number,
    name: entry.top.name,
    mtimeMs: entry.mtimeMs,
    nodes,
    pieces: stored && {
      pieceLength: stored.pieceLength,
      pieceCount: stored.pieceCount,
      memory: pieces?.memory,
    },
    storedBytes: storedBytes?.buffer as SharedArrayBuffer | undefined,
  }
}

/**
 * Replies about nodes: entries, attributes, listings. What the kernel is told here it may keep: contents and names of a
 * torrent never change, and when a torrent comes, goes or grows the kernel is told to forget.
 */
import {
  direntLength,
  ENTRY_LENGTH,
  writeAttributesReply,
  writeDirent,
  writeDirentPlus,
  writeEntryReply,
  writeStatxReply,
} from './protocol/encode.js'
import type { OpenFolder } from './open-handles.js'
import { ROOT_ID, type SessionFile, type SessionNode, type SessionTree } from './session-tree.js'

/** How long (ms) the kernel may believe what it is never told to forget in time only if we fail to. */
const KEPT_MS = 24 * 3600 * 1000
/** The same for a name that is not in a torrent's folder. In the root, where names come, it is not kept at all. */
const ABSENT_MS = 5000
const BLOCK = 512

const DOT = Buffer.from('.')
const DOT_DOT = Buffer.from('..')

export class NodeReplies {
  readonly #tree: SessionTree
  readonly #out: Buffer
  readonly #start: number
  /** The root's attributes were told since they last changed. */
  rootTold = false

  /** @param out replies are written into it from `start` on */
  constructor(tree: SessionTree, out: Buffer, start: number) {
    this.#tree = tree
    this.#out = out
    this.#start = start
  }

  /** The child of that name. Counts a lookup. @returns bytes of payload; 0 when there is none */
  lookup(folder: SessionNode & { kind: 'directory' }, name: string): number {
    const node = name === '.' ? folder : name === '..' ? (folder.parent ?? folder) : folder.children.get(name)
    if (!node) return folder.id === ROOT_ID ? 0 : this.#absent()
    node.lookups++
    const attributes = this.#told(node)
    return writeEntryReply(this.#out, this.#start, node.id, 0, attributes, KEPT_MS, KEPT_MS) - this.#start
  }

  attributes(node: SessionNode): number {
    return writeAttributesReply(this.#out, this.#start, this.#told(node), KEPT_MS) - this.#start
  }

  statx(node: SessionNode): number {
    return writeStatxReply(this.#out, this.#start, this.#told(node), KEPT_MS) - this.#start
  }

  /**
   * As many entries from `offset` on as fit into `size` bytes.
   *
   * @param plus with attributes: each entry but `.` and `..` counts as a lookup
   */
  list(open: OpenFolder, offset: number, size: number, plus: boolean): number {
    const { folder } = open
    if (offset === 0 || !open.listing) open.listing = this.#tree.listing(folder)
    const end = this.#start + Math.min(size, this.#out.length - this.#start)
    let at = this.#start
    for (let index = offset; index < open.listing.length + 2; index++) {
      const dots = index < 2
      const node = index === 0 ? folder : index === 1 ? (folder.parent ?? folder) : open.listing[index - 2]!
      const name = index === 0 ? DOT : index === 1 ? DOT_DOT : Buffer.from(node.name)
      const length = direntLength(name.length) + (plus ? ENTRY_LENGTH : 0)
      if (at + length > end) break
      const dirent = { ino: node.ino, offset: index + 1, kind: node.kind, name }
      if (!plus) at = writeDirent(this.#out, at, dirent)
      else {
        const known = !dots && node.torrent?.removed !== true
        if (known) node.lookups++
        at = writeDirentPlus(this.#out, at, known ? node.id : 0, this.#told(node), KEPT_MS, KEPT_MS, dirent)
      }
    }
    return at - this.#start
  }

  /** Files of which the kernel was told fewer blocks than there are now; it must forget their attributes. */
  outdated(): SessionFile[] {
    const outdated: SessionFile[] = []
    for (const torrent of this.#tree.torrentsTold) {
      const version = torrent.pieces?.version ?? -1
      if (torrent.storedBytes === undefined && version === torrent.toldVersion) continue
      torrent.toldVersion = version
      for (const file of torrent.told) {
        if (this.#blocks(file) === file.toldBlocks) continue
        torrent.told.delete(file)
        outdated.push(file)
      }
      if (torrent.told.size === 0) this.#tree.torrentsTold.delete(torrent)
    }
    return outdated
  }

  /** A name that is not there, for a while: an entry without a node. */
  #absent(): number {
    const attributes = { ino: 0, mode: 0, nlink: 0, uid: 0, gid: 0, size: 0, blocks: 0, mtimeMs: 0 }
    return writeEntryReply(this.#out, this.#start, 0, 0, attributes, ABSENT_MS, 0) - this.#start
  }

  #told(node: SessionNode) {
    const attributes = this.#tree.attributes(node)
    if (node.id === ROOT_ID) this.rootTold = true
    if (node.kind === 'file' && !node.torrent.removed && attributes.blocks < Math.ceil(node.size / BLOCK)) {
      node.toldBlocks = attributes.blocks
      node.torrent.told.add(node)
      this.#tree.torrentsTold.add(node.torrent)
    }
    return attributes
  }

  #blocks(file: SessionFile): number {
    return Math.ceil(this.#tree.storedBytes(file) / BLOCK)
  }
}

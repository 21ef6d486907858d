/**
 * The tree: torrents in, names and inodes out. PURE: knows no engine, no FUSE, no clock.
 *
 * A single-file torrent is a file in the root, a multi-file torrent a folder there; pad files (BEP 47) are hidden. Names
 * and inode numbers depend only on which torrents are present, so they are the same after a restart and in whatever
 * order torrents come.
 *
 * Torrents of one name: the one with the lowest infohash bears the plain name, the others `name [infohash8]` (before the
 * extension of a file; more digits if that is taken too). So the plain name never vanishes while one of them is there,
 * and at most one torrent is renamed when another comes or goes; its nodes stay the same objects, so what is open stays
 * open. All costs are O(1) in the number of torrents.
 */
import { inodeNumber, ROOT_INODE } from './inode-number.js'
import { legalName, markedName, rootName } from './names.js'
import { RankedSlots } from './ranked-slots.js'

/** What the tree must know of a file. */
export interface TreeFile {
  readonly path: readonly string[]
  readonly pad: boolean
}

/** What the tree must know of a torrent. */
export interface TreeTorrent<F extends TreeFile> {
  /** 40 hex digits, lower case. */
  readonly infohash: string
  readonly name: string
  readonly multiFile: boolean
  readonly files: readonly F[]
  /** ms since the epoch. */
  readonly mtimeMs: number
}

/** A torrent in the tree. */
export interface TreeEntry<F extends TreeFile> {
  readonly torrent: TreeTorrent<F>
  /** Its node in the root. */
  readonly top: TreeNode<F>
  /**
   * ms since the epoch: the torrent's, moved on by a millisecond where another torrent of the same time bore the name
   * before, so that a kernel which goes by name, size and time drops what it has cached of the other.
   */
  readonly mtimeMs: number
}

/** A file of a torrent. */
export interface FileNode<F extends TreeFile> {
  readonly kind: 'file'
  /** Unique at any time. May change (two torrents whose numbers collide): no identity across events. */
  readonly ino: number
  readonly name: string
  readonly parent: DirectoryNode<F>
  readonly entry: TreeEntry<F>
  readonly file: F
}

/** The root, or a folder of a torrent. */
export interface DirectoryNode<F extends TreeFile> {
  readonly kind: 'directory'
  readonly ino: number
  readonly name: string
  /** Undefined for the root. */
  readonly parent: DirectoryNode<F> | undefined
  /** Undefined for the root. */
  readonly entry: TreeEntry<F> | undefined
  readonly children: ReadonlyMap<string, TreeNode<F>>
  readonly subdirectories: number
}

/** What has a name in the tree. */
export type TreeNode<F extends TreeFile> = FileNode<F> | DirectoryNode<F>

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
/** `index`: see inodeNumber. */
type FileRecord<F extends TreeFile> = Mutable<FileNode<F>> & { index: number }
type DirectoryRecord<F extends TreeFile> = Mutable<Omit<DirectoryNode<F>, 'children'>> & {
  children: Map<string, TreeNode<F>>
  index: number
}
type NodeRecord<F extends TreeFile> = FileRecord<F> | DirectoryRecord<F>
interface EntryRecord<F extends TreeFile> {
  torrent: TreeTorrent<F>
  top: NodeRecord<F>
  mtimeMs: number
  legal: string
}

export interface TorrentTreeOptions<F extends TreeFile> {
  /** A torrent of the tree has another name in the root, because another came or went. */
  renamed?: (entry: TreeEntry<F>) => void
  /** Tests narrow the numbers to make them collide. */
  inodeNumber?: (infohash: string, index: number, attempt: number) => number
}

/** Names and inodes of torrents. */
export class TorrentTree<F extends TreeFile> {
  readonly #root: DirectoryRecord<F> = {
    kind: 'directory',
    ino: ROOT_INODE,
    name: '',
    parent: undefined,
    entry: undefined,
    children: new Map(),
    subdirectories: 0,
    index: 0,
  }
  readonly #entries = new Map<string, EntryRecord<F>>()
  /** Torrents that had a name before. */
  readonly #named = new WeakSet<EntryRecord<F>>()
  /** Who bore a name last, and with what time: one small record per name ever seen. */
  readonly #bearers = new Map<string, { infohash: string; mtimeMs: number }>()
  readonly #renamed: ((entry: TreeEntry<F>) => void) | undefined
  readonly #names: RankedSlots<string, EntryRecord<F>>
  readonly #inodes: RankedSlots<number, NodeRecord<F>>

  constructor(options: TorrentTreeOptions<F> = {}) {
    this.#renamed = options.renamed
    const numberOf = options.inodeNumber ?? inodeNumber
    this.#names = new RankedSlots({
      choice: (e, attempt) => rootName(e.legal, e.torrent.infohash, e.top.kind === 'file', attempt),
      before: (a, b) => a.torrent.infohash < b.torrent.infohash,
      moved: (entry, name) => this.#nameTop(entry, name),
      vacated: name => this.#root.children.delete(name),
    })
    this.#inodes = new RankedSlots({
      choice: (node, attempt) => numberOf(node.entry!.torrent.infohash, node.index, attempt),
      before: (a, b) => {
        const x = a.entry!.torrent.infohash
        const y = b.entry!.torrent.infohash
        return x === y ? a.index < b.index : x < y
      },
      moved: (node, ino) => {
        node.ino = ino
      },
    })
  }

  get root(): DirectoryNode<F> {
    return this.#root
  }

  /** Number of torrents. */
  get size(): number {
    return this.#entries.size
  }

  /** Number of nodes, the root included. */
  get nodeCount(): number {
    return this.#inodes.size + 1
  }

  /** Every torrent, in the order in which they came. */
  entries(): Iterable<TreeEntry<F>> {
    return this.#entries.values()
  }

  /** A torrent in the tree; undefined when it is not there. */
  get(infohash: string): TreeEntry<F> | undefined {
    return this.#entries.get(infohash)
  }

  /** The node of a number; undefined when there is none now. */
  byInode(ino: number): TreeNode<F> | undefined {
    return ino === ROOT_INODE ? this.#root : this.#inodes.get(ino)
  }

  /**
   * Shows a torrent. One that is there already, or a single-file torrent without a file, changes nothing.
   *
   * @returns its entry, or undefined if there is nothing to show
   */
  add(torrent: TreeTorrent<F>): TreeEntry<F> | undefined {
    const present = this.#entries.get(torrent.infohash)
    if (present) return present
    const legal = legalName(torrent.name)
    const entry: Partial<EntryRecord<F>> & { torrent: TreeTorrent<F> } = {
      torrent,
      mtimeMs: torrent.mtimeMs,
      legal,
    }
    const top = torrent.multiFile
      ? this.#buildFolder(entry as EntryRecord<F>)
      : this.#buildFile(entry as EntryRecord<F>)
    if (!top) return undefined
    entry.top = top
    const record = entry as EntryRecord<F>
    this.#entries.set(torrent.infohash, record)
    this.#names.claim(record)
    if (top.kind === 'directory') this.#root.subdirectories++
    this.#each(top, node => this.#inodes.claim(node))
    return record
  }

  /** Takes a torrent out. @returns its entry, whose nodes keep their last names and numbers */
  remove(infohash: string): TreeEntry<F> | undefined {
    const entry = this.#entries.get(infohash)
    if (!entry) return undefined
    this.#entries.delete(infohash)
    this.#names.release(entry)
    if (entry.top.kind === 'directory') this.#root.subdirectories--
    this.#each(entry.top, node => this.#inodes.release(node))
    return entry
  }

  /** The node at an absolute path: `/` is the root, components are separated by one `/`. O(depth). */
  resolve(path: string): TreeNode<F> | undefined {
    let node: TreeNode<F> = this.#root
    let begin = 1
    while (begin < path.length) {
      if (node.kind !== 'directory') return undefined
      let end = path.indexOf('/', begin)
      if (end === -1) end = path.length
      const child: TreeNode<F> | undefined = node.children.get(path.slice(begin, end))
      if (!child) return undefined
      node = child
      begin = end + 1
    }
    return node
  }

  #nameTop(entry: EntryRecord<F>, name: string): void {
    const last = this.#bearers.get(name)
    const { infohash, mtimeMs } = entry.torrent
    entry.mtimeMs = mtimeMs
    // Never back within a second that was used before, or a time the kernel has cached could come to mean another file.
    if (last && last.mtimeMs >= mtimeMs && last.mtimeMs < mtimeMs + 1000) {
      entry.mtimeMs = last.infohash === infohash ? last.mtimeMs : last.mtimeMs + 1
    }
    this.#bearers.set(name, { infohash, mtimeMs: entry.mtimeMs })
    const isNew = !this.#named.has(entry)
    this.#named.add(entry)
    entry.top.name = name
    this.#root.children.set(name, entry.top)
    if (!isNew) this.#renamed?.(entry)
  }

  #buildFile(entry: EntryRecord<F>): FileRecord<F> | undefined {
    const index = entry.torrent.files.findIndex(f => !f.pad)
    const file = entry.torrent.files[index]
    if (!file) return undefined
    return { kind: 'file', ino: 0, name: entry.legal, parent: this.#root, entry, index, file }
  }

  #buildFolder(entry: EntryRecord<F>): DirectoryRecord<F> {
    let folders = 0
    const makeFolder = (name: string, parent: DirectoryRecord<F>): DirectoryRecord<F> => ({
      kind: 'directory',
      ino: 0,
      name,
      parent,
      entry,
      children: new Map(),
      subdirectories: 0,
      index: ~folders++,
    })
    const top = makeFolder(entry.legal, this.#root)
    entry.torrent.files.forEach((file, index) => {
      if (file.pad) return
      let folder = top
      for (const component of file.path.slice(0, -1)) {
        const free = freeName(folder, legalName(component), 'directory')
        let next = folder.children.get(free) as DirectoryRecord<F> | undefined
        if (!next) {
          next = makeFolder(free, folder)
          folder.children.set(free, next)
          folder.subdirectories++
        }
        folder = next
      }
      const name = freeName(folder, legalName(file.path.at(-1) ?? ''), 'file')
      const node: FileRecord<F> = { kind: 'file', ino: 0, name, parent: folder, entry, index, file }
      folder.children.set(name, node)
    })
    return top
  }

  #each(node: NodeRecord<F>, visit: (node: NodeRecord<F>) => void): void {
    const stack = [node]
    for (let next = stack.pop(); next; next = stack.pop()) {
      visit(next)
      if (next.kind === 'directory')
        for (const child of next.children.values()) stack.push(child as NodeRecord<F>)
    }
  }
}

/**
 * `name`, or `name (n)` with the lowest n under which a file can be added to the folder, or under which a folder is or
 * can be. Only for torrents whose names were not made unique before.
 */
function freeName<F extends TreeFile>(
  folder: DirectoryRecord<F>,
  name: string,
  kind: 'file' | 'directory',
): string {
  const fits = (candidate: string): boolean => {
    const there = folder.children.get(candidate)
    return !there || (kind === 'directory' && there.kind === 'directory')
  }
  if (fits(name)) return name
  for (let n = 2; ; n++) {
    const candidate = markedName(name, `(${n})`, kind === 'file')
    if (fits(candidate)) return candidate
  }
}

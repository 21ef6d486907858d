import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { NAME_MAX } from '../../src/fs/names.js'
import { TorrentTree, type TreeFile, type TreeNode, type TreeTorrent } from '../../src/fs/tree.js'

type Torrent = TreeTorrent<TreeFile>

function hash(n: number): string {
  return (n + 1).toString(16).padStart(2, '0').repeat(20)
}

function torrent(n: number, name: string, paths: string[] | null, more: Partial<Torrent> = {}): Torrent {
  const files = (paths ?? [name]).map(path => ({ path: path.split('/'), pad: false }))
  return { infohash: hash(n), name, multiFile: paths !== null, files, mtimeMs: 1000, ...more }
}

/** Every path of a tree with its inode number and the torrent it is of. */
function snapshot(tree: TorrentTree<TreeFile>): Map<string, string> {
  const paths = new Map<string, string>()
  const walk = (node: TreeNode<TreeFile>, path: string): void => {
    paths.set(path || '/', `${node.ino} ${node.kind} ${node.entry?.torrent.infohash ?? ''}`)
    if (node.kind === 'directory') for (const [name, child] of node.children) walk(child, `${path}/${name}`)
  }
  walk(tree.root, '')
  return paths
}

/** What must hold of any tree. */
function check(tree: TorrentTree<TreeFile>, shown: Iterable<Torrent>): void {
  const inodes = new Set<number>()
  const files = new Set<TreeFile>()
  let nodes = 0
  const walk = (node: TreeNode<TreeFile>, path: string): void => {
    nodes++
    assert.ok(Number.isInteger(node.ino) && node.ino > 0 && node.ino < 2 ** 32)
    assert.ok(!inodes.has(node.ino), `inode ${node.ino} twice`)
    inodes.add(node.ino)
    assert.equal(tree.byInode(node.ino), node)
    assert.equal(tree.resolve(path || '/'), node)
    if (node.kind === 'file') {
      files.add(node.file)
      return
    }
    let subdirectories = 0
    for (const [name, child] of node.children) {
      assert.equal(child.name, name)
      assert.equal(child.parent, node)
      const bytes = Buffer.from(name)
      assert.ok(
        bytes.length > 0 && bytes.length <= NAME_MAX && bytes.toString() === name,
        JSON.stringify(name),
      )
      assert.ok(name !== '.' && name !== '..' && !/[/\0]/.test(name), JSON.stringify(name))
      if (child.kind === 'directory') subdirectories++
      walk(child, `${path}/${name}`)
    }
    assert.equal(node.subdirectories, subdirectories)
  }
  walk(tree.root, '')
  assert.equal(tree.nodeCount, nodes)
  for (const { files: all, multiFile } of shown) {
    const visible = all.filter(f => !f.pad)
    for (const file of multiFile ? visible : visible.slice(0, 1))
      assert.ok(files.delete(file), 'a file is missing')
  }
  assert.equal(files.size, 0)
}

const component = fc.oneof(
  fc.constantFrom('a', 'b', 'A', '..', '.', '', 'a/b', '\0', 'ü'.repeat(200), '\ud800', 'foo', 'foo (2)'),
  fc.string({ unit: 'binary', maxLength: 5 }),
)
const file = fc.record({
  path: fc.array(component, { maxLength: 4 }),
  pad: fc.boolean(),
})
const anyTorrent = (n: number): fc.Arbitrary<Torrent> =>
  fc.record({
    infohash: fc.constant(hash(n)),
    name: fc.oneof(
      component,
      fc.constantFrom('foo', `foo [${hash(1).slice(0, 8)}]`, `foo [${hash(2).slice(0, 8)}]`),
    ),
    multiFile: fc.boolean(),
    files: fc.array(file, { maxLength: 6 }),
    mtimeMs: fc.constant(5),
  })
const torrents = fc.tuple(...Array.from({ length: 8 }, (_, n) => anyTorrent(n)))
/** So few numbers that most collide. */
const crowded = (infohash: string, index: number, attempt: number): number =>
  2 +
  ((parseInt(infohash.slice(0, 2), 16) * 7 + index * 13 + attempt * 5 + 1_000_000) %
    (attempt > 20 ? 5000 : 50))

describe('the tree', () => {
  test('keeps its invariants for any torrents, added and removed in any order', () => {
    fc.assert(
      fc.property(torrents, fc.array(fc.nat(7), { maxLength: 24 }), fc.boolean(), (all, steps, crowd) => {
        const tree = new TorrentTree<TreeFile>(crowd ? { inodeNumber: crowded } : {})
        const shown = new Set<Torrent>()
        for (const step of steps) {
          const each = all[step]!
          if (shown.delete(each)) assert.ok(tree.remove(each.infohash))
          else if (tree.add(each)) shown.add(each)
          check(tree, shown)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('is the same for the same torrents, whatever came and went before', () => {
    fc.assert(
      fc.property(torrents, fc.array(fc.nat(7), { maxLength: 24 }), fc.boolean(), (all, steps, crowd) => {
        const options = crowd ? { inodeNumber: crowded } : {}
        const tree = new TorrentTree<TreeFile>(options)
        for (const step of steps) {
          const each = all[step]!
          if (!tree.remove(each.infohash)) tree.add(each)
        }
        const restarted = new TorrentTree<TreeFile>(options)
        for (const each of [...all].reverse()) if (tree.get(each.infohash)) restarted.add(each)
        assert.deepEqual(snapshot(tree), snapshot(restarted))
      }),
      { numRuns: 500 },
    )
  })

  test('lists its torrents in the order in which they came', () => {
    const tree = new TorrentTree<TreeFile>()
    const entries = [2, 0, 1].map(n => tree.add(torrent(n, 'foo', null))!)
    assert.deepEqual([...tree.entries()], entries)
    assert.equal(tree.remove(hash(0)), entries[1])
    assert.deepEqual([...tree.entries()], [entries[0], entries[2]])
  })

  test('shows a single-file torrent as a file, a multi-file one as a folder, and no pad file', () => {
    const tree = new TorrentTree<TreeFile>()
    tree.add(torrent(1, 'one.bin', null))
    const files = [
      { path: ['x', 'y.bin'], pad: false },
      { path: ['.pad', '7'], pad: true },
      { path: ['z'], pad: false },
    ]
    tree.add(torrent(2, 'many', [], { files }))
    assert.deepEqual([...snapshot(tree).keys()].sort(), [
      '/',
      '/many',
      '/many/x',
      '/many/x/y.bin',
      '/many/z',
      '/one.bin',
    ])
  })

  test('gives the plain name to the lowest infohash, the others their digits', () => {
    const tree = new TorrentTree<TreeFile>()
    const names = (): string[] => [...tree.root.children.keys()].sort()
    tree.add(torrent(0xb0, 'film.mkv', null))
    assert.deepEqual(names(), ['film.mkv'])
    const renamed = tree.root.children.get('film.mkv')
    tree.add(torrent(0xa0, 'film.mkv', null))
    assert.deepEqual(names(), ['film [b1b1b1b1].mkv', 'film.mkv'])
    assert.equal(tree.root.children.get('film [b1b1b1b1].mkv'), renamed, 'the node stays the same object')
    tree.add(torrent(0xc0, 'film.mkv', ['x']))
    assert.deepEqual(names(), ['film [b1b1b1b1].mkv', 'film.mkv', 'film.mkv [c1c1c1c1]'])
    tree.remove(hash(0xa0))
    assert.deepEqual(names(), ['film.mkv', 'film.mkv [c1c1c1c1]'])
    assert.equal(tree.root.children.get('film.mkv'), renamed)
  })

  test('finds a place for a torrent whose every marked name is taken by others of that very name', () => {
    const tree = new TorrentTree<TreeFile>()
    const high = hash(0xf0)
    const taken = [
      'foo',
      `foo [${high.slice(0, 8)}]`,
      `foo [${high.slice(0, 16)}]`,
      `foo [${high}]`,
      `foo [${high}] (2)`,
    ]
    taken.forEach((name, n) => tree.add(torrent(n, name, ['x'])))
    tree.add(torrent(0xf0, 'foo', ['x']))
    assert.equal(tree.get(high)?.top.name, `foo [${high}] (3)`)
  })

  test('moves the time of a torrent that takes over the name of another of the same time', () => {
    const tree = new TorrentTree<TreeFile>()
    assert.equal(tree.add(torrent(1, 'foo', null))?.mtimeMs, 1000)
    tree.remove(hash(1))
    assert.equal(tree.add(torrent(2, 'foo', null))?.mtimeMs, 1001)
    tree.remove(hash(2))
    assert.equal(tree.add(torrent(2, 'foo', null))?.mtimeMs, 1001)
    tree.remove(hash(2))
    assert.equal(tree.add(torrent(1, 'foo', null))?.mtimeMs, 1002)
  })

  test('holds 10,000 torrents of 100,000 files, and adds and removes one in the time of a small one', () => {
    const tree = new TorrentTree<TreeFile>()
    const paths = Array.from({ length: 10 }, (_, i) => `d${i % 2}/f${i}`)
    const id = (n: number): string => n.toString(16).padStart(8, '0').repeat(5)
    const make = (n: number): Torrent => torrent(0, `torrent ${n % 5000}`, paths, { infohash: id(n) })
    const begin = performance.now()
    for (let n = 0; n < 10_000; n++) tree.add(make(n))
    const all = performance.now() - begin
    assert.equal(tree.root.children.size, 10_000)
    assert.equal(tree.nodeCount, 1 + 10_000 * 13)
    for (let n = 0; n < 1000; n++) {
      tree.remove(id(n))
      tree.add(make(n))
    }
    const some = performance.now() - begin - all
    assert.ok(all < 5000, `${all} ms`)
    assert.ok(some < all, `${some} ms for 1,000 of them, ${all} for all`)
    let found = 0
    const lookups = performance.now()
    for (let n = 0; n < 100_000; n++) if (tree.resolve(`/torrent ${n % 5000}/d1/f${1 + (n % 2) * 2}`)) found++
    assert.equal(found, 100_000)
    assert.ok(performance.now() - lookups < 2000)
  })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { rmSync, statSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { FileStorage } from '../../../../src/torrent/storage/file/file-storage.js'
import type { FileStorageOptions } from '../../../../src/torrent/storage/file/file-storage.js'
import type { TorrentStorage } from '../../../../src/torrent/storage/storage.js'
import {
  atEnd,
  bitsOf,
  makeFixture,
  mixedFixture,
  noise,
  singleFixture,
  temporaryFolder,
} from '../fixture.js'
import type { Fixture } from '../fixture.js'

/** A file storage that ends with the test. */
function storageAt(t: TestContext, root: string, o: Partial<FileStorageOptions> = {}): FileStorage {
  const storage = new FileStorage({ root, ...o })
  atEnd(t, () => storage.close())
  return storage
}

/** Writes and marks pieces, and waits until that is journaled. */
async function store(storage: TorrentStorage, fixture: Fixture, pieces: Iterable<number>): Promise<void> {
  for (const piece of pieces) {
    await storage.writeAt(fixture.piece(piece), fixture.torrent.geometry.pieceOffset(piece))
    storage.markStored(piece)
  }
  await storage.writeAt(new Uint8Array(0), 0)
}

const range = (begin: number, end: number): number[] =>
  Array.from({ length: end - begin }, (_, i) => begin + i)

/** Stores all of the mixed fixture and leaves the storage unclosed, as a killed process does. */
async function abandoned(t: TestContext): Promise<{ root: string; fixture: Fixture; large: string }> {
  const root = await temporaryFolder(t)
  const fixture = mixedFixture()
  await store(await storageAt(t, root).open(fixture.torrent), fixture, range(0, 10))
  return { root, fixture, large: join(root, 'mixed', 'large.bin') }
}

async function reopen(
  t: TestContext,
  root: string,
  fixture: Fixture,
  o?: Partial<FileStorageOptions>,
): Promise<TorrentStorage> {
  return storageAt(t, root, o).open(fixture.torrent)
}

describe('the file storage', () => {
  it('creates nothing when a torrent is opened, read, marked missing and closed', async t => {
    const root = join(await temporaryFolder(t), 'downloads')
    const storage = storageAt(t, root)
    const opened = await storage.open(mixedFixture().torrent)
    await opened.readAt(new Uint8Array(10), 0)
    opened.markMissing(1)
    await storage.close()
    assert.equal(existsSync(root), false)
  })

  it("writes sparse files of full length at the torrent's paths, and empty files with the first write", async t => {
    const root = await temporaryFolder(t)
    const fixture = makeFixture({
      files: [
        { path: ['t', 'big'], length: 10_000_000 },
        { path: ['t', 'a', 'b', 'none'], length: 0 },
        { path: ['t', 'other'], length: 50_000 },
      ],
    })
    const storage = await storageAt(t, root).open(fixture.torrent)
    await store(storage, fixture, [100])
    const big = statSync(join(root, 't', 'big'))
    assert.equal(big.size, 10_000_000)
    assert.ok(big.blocks * 512 < 200_000, `${big.blocks} blocks`)
    assert.equal(statSync(join(root, 't', 'a', 'b', 'none')).size, 0)
    assert.equal(existsSync(join(root, 't', 'other')), false)
    assert.deepEqual(
      readFileSync(join(root, 't', 'big')).subarray(1_638_400, 1_654_784),
      Buffer.from(fixture.piece(100)),
    )
  })

  it('locates ranges in the files that hold them', async t => {
    const { root, fixture, large } = await abandoned(t)
    const storage = await reopen(t, root, fixture)
    assert.deepEqual(storage.locate!(99_998, 100_005), [
      { path: large, file: 0, fileOffset: 99_998, offset: 99_998, length: 2 },
      { path: join(root, 'mixed', 'tiny'), file: 1, fileOffset: 0, offset: 100_000, length: 3 },
      {
        path: join(root, 'mixed', 'folder', 'inner.bin'),
        file: 3,
        fileOffset: 0,
        offset: 100_003,
        length: 2,
      },
    ])
  })

  it('trusts what was stored after a process ended without closing anything', async t => {
    const { root, fixture } = await abandoned(t)
    const storage = await reopen(t, root, fixture)
    assert.deepEqual(bitsOf(storage.stored), range(0, 10))
    assert.equal(storage.suspect.count, 0)
  })

  // Pieces 0..5 lie in large.bin alone, 6 in large.bin, tiny and inner.bin, 7 in inner.bin, 8 in inner.bin and ünïcode, 9 in ünïcode.
  const large = range(0, 7)
  const tampering: [string, (path: string, root: string) => void, number[]][] = [
    ['truncated', path => truncateSync(path, 50_000), large],
    ['lengthened', path => appendFileSync(path, 'x'), large],
    ['zeroed in place', path => writeFileSync(path, new Uint8Array(100_000), { flag: 'r+' }), large],
    [
      'truncated and filled up with a hole',
      path => (truncateSync(path, 0), truncateSync(path, 100_000)),
      large,
    ],
    [
      'replaced by another of its length',
      path => (writeFileSync(`${path}.new`, noise(100_000, 99)), renameSync(`${path}.new`, path)),
      large,
    ],
    ['deleted', path => unlinkSync(path), large],
    ['replaced by a folder', path => (unlinkSync(path), mkdirSync(path)), large],
    ['touched', path => utimesSync(path, new Date(), new Date()), large],
    [
      'deleted with its whole torrent',
      (_path, root) => rmSync(join(root, 'mixed'), { recursive: true }),
      range(0, 10),
    ],
  ]
  for (const [what, tamper, suspects] of tampering) {
    it(`suspects exactly the pieces of a file that was ${what}`, async t => {
      const { root, fixture, large } = await abandoned(t)
      tamper(large, root)
      const storage = await reopen(t, root, fixture)
      assert.deepEqual(bitsOf(storage.suspect), suspects)
      assert.deepEqual(
        bitsOf(storage.stored),
        range(0, 10).filter(piece => !suspects.includes(piece)),
      )
    })
  }

  it('goes on suspecting them when other pieces of the file are stored before the next start', async t => {
    const root = await temporaryFolder(t)
    const fixture = mixedFixture()
    await store(await storageAt(t, root).open(fixture.torrent), fixture, [0, 1, 2])
    writeFileSync(join(root, 'mixed', 'large.bin'), new Uint8Array(10), { flag: 'r+' })
    await store(await reopen(t, root, fixture), fixture, [4, 5])
    const storage = await reopen(t, root, fixture)
    assert.deepEqual(bitsOf(storage.stored), [4, 5])
    assert.deepEqual(bitsOf(storage.suspect), [0, 1, 2])
  })

  it('notices while it runs that someone changed a file, and tells so at the next write to it', async t => {
    const { root, fixture, large } = await abandoned(t)
    const storage = await reopen(t, root, fixture)
    storage.markMissing(3)
    const doubted: number[] = []
    storage.onDoubt = pieces => doubted.push(...pieces)
    writeFileSync(large, 'changed', { flag: 'r+' })
    await store(storage, fixture, [3])
    assert.deepEqual(doubted.sort(), [0, 1, 2, 4, 5, 6])
    assert.deepEqual(bitsOf(storage.suspect), [0, 1, 2, 4, 5, 6])
    assert.deepEqual(bitsOf((await reopen(t, root, fixture)).suspect), [0, 1, 2, 4, 5, 6])
  })

  it('writes to a file created anew, and reads it, when someone deleted the one it had open', async t => {
    const { root, fixture, large } = await abandoned(t)
    const storage = await reopen(t, root, fixture)
    // Both the writing and the reading side have it open now, and what they hold is wrong.
    storage.markMissing(1)
    await store(storage, fixture, [1])
    await storage.readAt(new Uint8Array(10), 0)
    writeFileSync(large, new Uint8Array(100_000), { flag: 'r+' })
    unlinkSync(large)
    storage.markMissing(0)
    await store(storage, fixture, [0])
    const target = new Uint8Array(16_384)
    assert.equal(await storage.readAt(target, 0), target.length)
    assert.deepEqual(target, fixture.piece(0).slice())
    assert.deepEqual(readFileSync(large).subarray(0, 16_384), Buffer.from(fixture.piece(0)))
  })

  it('writes to the file that is there when someone put another in the place of the one it had open', async t => {
    const { root, fixture, large } = await abandoned(t)
    const storage = await reopen(t, root, fixture)
    storage.markMissing(1)
    await store(storage, fixture, [1])
    writeFileSync(`${large}.new`, noise(100_000, 99))
    renameSync(`${large}.new`, large)
    storage.markMissing(0)
    await store(storage, fixture, [0])
    assert.deepEqual(readFileSync(large).subarray(0, 16_384), Buffer.from(fixture.piece(0)))
    assert.deepEqual(bitsOf(storage.suspect), [1, 2, 3, 4, 5, 6])
  })

  it('keeps that a piece is missing across a restart though its file did not change', async t => {
    const { root, fixture } = await abandoned(t)
    const storage = await reopen(t, root, fixture)
    storage.markMissing(2)
    await store(storage, fixture, [])
    assert.deepEqual(
      bitsOf((await reopen(t, root, fixture)).stored),
      range(0, 10).filter(piece => piece !== 2),
    )
  })

  it('suspects what was stored after the last synced checkpoint when the machine itself was restarted', async t => {
    const root = await temporaryFolder(t)
    const fixture = mixedFixture()
    const first = storageAt(t, root, { bootId: 'boot-1' })
    const opened = await first.open(fixture.torrent)
    await store(opened, fixture, [0, 1])
    await opened.checkpoint(0, 0)
    await store(opened, fixture, [2, 7])
    const same = await reopen(t, root, fixture, { bootId: 'boot-1' })
    assert.deepEqual(bitsOf(same.stored), [0, 1, 2, 7])
    const storage = await reopen(t, root, fixture, { bootId: 'boot-2' })
    assert.deepEqual(bitsOf(storage.stored), [0, 1])
    assert.deepEqual(bitsOf(storage.suspect), [2, 7])
    // What was re-hashed since is as good as new; what was not stays suspect.
    storage.markStored(2)
    await store(storage, fixture, [])
    const last = await reopen(t, root, fixture, { bootId: 'boot-2' })
    assert.deepEqual(bitsOf(last.stored), [0, 1, 2])
    assert.deepEqual(bitsOf(last.suspect), [7])
  })

  it('trusts nothing unsynced where the system has no boot id', async t => {
    const root = await temporaryFolder(t)
    const fixture = mixedFixture()
    await store(await storageAt(t, root, { bootId: '' }).open(fixture.torrent), fixture, [0, 1])
    const storage = await reopen(t, root, fixture, { bootId: '' })
    assert.deepEqual(bitsOf(storage.suspect), [0, 1])
  })

  it('folds journals into a checkpoint, and says the same afterwards', async t => {
    const root = await temporaryFolder(t)
    const fixture = mixedFixture()
    const storage = storageAt(t, root, { checkpointMs: 20, quietMs: 0 })
    const opened = await storage.open(fixture.torrent)
    await store(opened, fixture, [0, 1, 2, 3])
    const journals = (): string[] =>
      readdirSync(join(root, '.torrentfs')).filter(name => name.endsWith('.journal'))
    const before = statSync(join(root, '.torrentfs', journals()[0]!)).size
    const deadline = Date.now() + 5000
    const checkpoint = join(root, '.torrentfs', `${fixture.torrent.infohash}.resume`)
    while (!(existsSync(checkpoint) && journals().length === 1) && Date.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    assert.equal(journals().length, 1)
    assert.ok(statSync(join(root, '.torrentfs', journals()[0]!)).size < before)
    await store(opened, fixture, [9])
    assert.deepEqual(bitsOf((await reopen(t, root, fixture, { bootId: 'other' })).stored), [0, 1, 2, 3])
    assert.deepEqual(bitsOf((await reopen(t, root, fixture)).stored), [0, 1, 2, 3, 9])
  })

  it('leaves few journals behind however often the process ends without closing', async t => {
    const root = await temporaryFolder(t)
    const fixture = mixedFixture()
    for (let run = 0; run < 10; run++) await store(await reopen(t, root, fixture), fixture, [run])
    const names = readdirSync(join(root, '.torrentfs')).filter(name => name !== 'names')
    assert.ok(names.length <= 2, names.join())
    assert.deepEqual(bitsOf((await reopen(t, root, fixture)).stored), range(0, 10))
  })

  const damages: [string, (file: string) => void][] = [
    ['empty', file => writeFileSync(file, '')],
    ['zeros', file => writeFileSync(file, new Uint8Array(statSync(file).size))],
    ['cut', file => truncateSync(file, 100)],
    ['noise', file => writeFileSync(file, noise(5000, 3))],
    [
      'one bit off',
      file => {
        const bytes = readFileSync(file)
        bytes[90]! ^= 4
        writeFileSync(file, bytes)
      },
    ],
    ['a folder', file => (unlinkSync(file), mkdirSync(file))],
  ]
  for (const [what, damage] of damages) {
    for (const kind of ['resume', 'journal']) {
      it(`opens a torrent whose ${kind} file is ${what}, and trusts nothing it cannot know`, async t => {
        const { root, fixture } = await abandoned(t)
        // A start that folds the journal, then three more pieces in a new one.
        const second = await reopen(t, root, fixture)
        for (const piece of [1, 5, 9]) second.markMissing(piece)
        await store(second, fixture, [1, 5, 9])
        const warnings: string[] = []
        const note = (_fields: object, message: string): void => void warnings.push(message)
        const logger = { debug: () => {}, info: () => {}, warn: note, error: note }
        for (const name of readdirSync(join(root, '.torrentfs'))) {
          if (name.endsWith(`.${kind}`)) damage(join(root, '.torrentfs', name))
        }
        const storage = await reopen(t, root, fixture, { logger })
        // The files are as they were: whatever is not stored must at least be suspect, so that nothing is downloaded again.
        // Only a journal that was cut looks like a killed process's own, and what it did not come to say is missing.
        const cut = what === 'cut' && kind === 'journal'
        assert.equal(storage.stored.count + storage.suspect.count, cut ? 7 : 10)
        if (cut) assert.deepEqual(bitsOf(storage.stored), [7])
        else {
          assert.equal(storage.stored.count, 0)
          assert.equal(warnings.length, 1)
        }
      })
    }
  }

  it('counts as missing what a journal record that was cut off would have said, and nothing else', async t => {
    const root = await temporaryFolder(t)
    const fixture = makeFixture({
      files: range(0, 4).map(file => ({ path: ['t', `${file}`], length: 16_384 })),
    })
    await store(await reopen(t, root, fixture), fixture, [0, 1, 2])
    const [journal] = readdirSync(join(root, '.torrentfs')).filter(name => name.endsWith('.journal'))
    const path = join(root, '.torrentfs', journal!)
    truncateSync(path, statSync(path).size - 5)
    const storage = await reopen(t, root, fixture)
    assert.deepEqual(bitsOf(storage.stored), [0, 1])
    await store(storage, fixture, [3])
    assert.deepEqual(bitsOf((await reopen(t, root, fixture)).stored), [0, 1, 3])
  })

  it('suspects data of full length that is there without any state, to be hashed rather than downloaded', async t => {
    const root = await temporaryFolder(t)
    const fixture = mixedFixture()
    mkdirSync(join(root, 'mixed', 'folder'), { recursive: true })
    writeFileSync(join(root, 'mixed', 'large.bin'), fixture.content.subarray(0, 100_000))
    writeFileSync(join(root, 'mixed', 'tiny'), fixture.content.subarray(100_000, 100_003))
    const storage = await storageAt(t, root).open(fixture.torrent)
    assert.equal(storage.layout.name, 'mixed')
    assert.deepEqual(bitsOf(storage.suspect), range(0, 6))
  })

  it("leaves alone whatever was in the folder before and is not the torrent's", async t => {
    const root = await temporaryFolder(t)
    writeFileSync(join(root, 'single.bin'), 'mine')
    writeFileSync(join(root, '.profile'), new Uint8Array(1000))
    mkdirSync(join(root, 'elsewhere'))
    writeFileSync(join(root, 'elsewhere', 'victim'), 'precious')
    symlinkSync(join(root, 'elsewhere'), join(root, 'mixed'))
    const storage = storageAt(t, root)
    for (const fixture of [
      singleFixture(),
      singleFixture('.profile', 1000),
      singleFixture('.torrentfs', 500),
      singleFixture('elsewhere', 700),
      mixedFixture(),
    ]) {
      const opened = await storage.open(fixture.torrent)
      const digits = fixture.torrent.infohash.slice(0, 8)
      assert.equal(opened.layout.name, `${fixture.torrent.files[0]!.path[0]} [${digits}]`)
      assert.equal(opened.suspect.count, 0)
      await store(opened, fixture, [0])
    }
    assert.equal(readFileSync(join(root, 'single.bin'), 'utf8'), 'mine')
    assert.deepEqual(readFileSync(join(root, '.profile')), Buffer.alloc(1000))
    assert.deepEqual(readdirSync(join(root, 'elsewhere')), ['victim'])
  })

  for (const [what, link] of [
    ['folder', 'folder'],
    ['file', 'large.bin'],
  ] as const) {
    it(`does not write through a symbolic link where a ${what} of the torrent belongs`, async t => {
      const outside = await temporaryFolder(t)
      const { root, fixture } = await abandoned(t)
      const path = join(root, 'mixed', link)
      rmSync(path, { recursive: true })
      const victim = join(outside, 'inner.bin')
      writeFileSync(victim, 'precious')
      symlinkSync(what === 'folder' ? outside : victim, path)
      const storage = await reopen(t, root, fixture)
      const piece = what === 'folder' ? 7 : 0
      await assert.rejects(storage.writeAt(fixture.piece(piece), piece * 16_384), {
        code: 'ERR_TORRENTFS_STORAGE',
        message: /symbolic link/,
      })
      assert.equal(readFileSync(victim, 'utf8'), 'precious')
    })
  }

  it('reads, and still trusts, a finished file that was moved away and linked', async t => {
    const elsewhere = await temporaryFolder(t)
    const { root, fixture, large } = await abandoned(t)
    const moved = join(elsewhere, 'moved')
    execFileSync('cp', ['-p', large, moved])
    unlinkSync(large)
    symlinkSync(moved, large)
    const storage = await reopen(t, root, fixture)
    assert.deepEqual(bitsOf(storage.stored), range(0, 10))
    const target = new Uint8Array(100)
    assert.equal(await storage.readAt(target, 0), 100)
    assert.deepEqual(target, fixture.content.slice(0, 100))
  })

  it('gives two torrents of one name each the same place after a restart, in whatever order they come', async t => {
    const root = await temporaryFolder(t)
    const [one, two] = [mixedFixture('same', 1), mixedFixture('same', 2)]
    const first = storageAt(t, root)
    const [a, b] = [await first.open(one.torrent), await first.open(two.torrent)]
    await store(a, one, range(0, 10))
    await store(b, two, range(0, 10))
    assert.equal(a.layout.name, 'same')
    assert.equal(b.layout.name, `same [${two.torrent.infohash.slice(0, 8)}]`)
    await first.close()
    const second = storageAt(t, root)
    const [d, c] = [await second.open(two.torrent), await second.open(one.torrent)]
    assert.equal(c.layout.name, a.layout.name)
    assert.equal(d.layout.name, b.layout.name)
    for (const [opened, { content }] of [[c, one] as const, [d, two] as const]) {
      assert.equal(opened.stored.count, 10)
      const all = new Uint8Array(content.length)
      await opened.readAt(all, 0)
      assert.deepEqual(all, content)
    }
  })

  it('does not write into what is mounted where a torrent would lie', async t => {
    const root = await temporaryFolder(t)
    const mounted = join(root, 'mixed')
    mkdirSync(mounted)
    try {
      execFileSync('mount', ['-t', 'tmpfs', 'torrentfs-test', mounted], { stdio: 'pipe' })
    } catch (thrown) {
      t.skip(`SKIP: cannot mount a tmpfs (root is needed): ${String(thrown)}`)
      return
    }
    atEnd(t, () => void execFileSync('umount', ['-l', mounted]))
    const fixture = mixedFixture()
    const opened = await storageAt(t, root).open(fixture.torrent)
    await store(opened, fixture, [0])
    assert.notEqual(opened.layout.name, 'mixed')
    assert.deepEqual(readdirSync(mounted), [])
  })

  it("does not give a removed torrent's place to another of its name", async t => {
    const root = await temporaryFolder(t)
    const [one, two] = [mixedFixture('same', 1), mixedFixture('same', 2)]
    const storage = storageAt(t, root)
    const removed = await storage.open(one.torrent)
    await store(removed, one, [0])
    await removed.close()
    assert.notEqual((await storage.open(two.torrent)).layout.name, 'same')
  })

  it('keeps the places of torrents whose names are on disk when a line of the names was cut', async t => {
    const root = await temporaryFolder(t)
    const [one, two, three] = [1, 2, 3].map(seed => mixedFixture('a "name"\n', seed)) as [
      Fixture,
      Fixture,
      Fixture,
    ]
    const first = storageAt(t, root)
    for (const fixture of [one, two]) await store(await first.open(fixture.torrent), fixture, [0])
    await first.close()
    const names = join(root, '.torrentfs', 'names')
    truncateSync(names, statSync(names).size - 4)
    const second = storageAt(t, root)
    assert.equal(
      (await second.open(three.torrent)).layout.name,
      `a "name"\n [${three.torrent.infohash.slice(0, 8)}]`,
    )
    await store(await second.open(one.torrent), one, [1])
    await second.close()
    const third = storageAt(t, root)
    assert.equal((await third.open(one.torrent)).layout.name, 'a "name"\n')
  })

  it('never blocks on a named pipe where a file belongs', { timeout: 10_000 }, async t => {
    const { root, fixture, large } = await abandoned(t)
    unlinkSync(large)
    execFileSync('mkfifo', [large])
    const storage = await reopen(t, root, fixture)
    assert.equal(await storage.readAt(new Uint8Array(10), 0), 0)
    await assert.rejects(storage.writeAt(fixture.piece(0), 0), { code: 'ERR_TORRENTFS_STORAGE' })
  })

  it('reads with more files than it may keep open, all at once', async t => {
    const root = await temporaryFolder(t)
    const fixture = makeFixture({
      files: range(0, 60).map(file => ({ path: ['t', `${file}`], length: 5000 })),
    })
    const opened = await storageAt(t, root, { maxOpenFiles: 2 }).open(fixture.torrent)
    await store(opened, fixture, range(0, fixture.torrent.geometry.pieceCount))
    await Promise.all(
      range(0, 600).map(async run => {
        const target = new Uint8Array(5000)
        const begin = (run % 60) * 5000
        assert.equal(await opened.readAt(target, begin), 5000)
        assert.deepEqual(target, fixture.content.slice(begin, begin + 5000))
      }),
    )
  })

  it('opens 10,000 torrents without state in a few seconds and without a file', async t => {
    const root = await temporaryFolder(t)
    const storage = storageAt(t, root)
    const { torrent } = mixedFixture()
    const begin = performance.now()
    for (let index = 0; index < 10_000; index++) {
      await storage.open({
        ...torrent,
        infohash: index.toString(16).padStart(40, '0'),
        files: torrent.files.map(file => ({ ...file, path: [`t${index}`, ...file.path.slice(1)] })),
      })
    }
    const took = performance.now() - begin
    assert.ok(took < 5000, `${took} ms`)
    assert.deepEqual(readdirSync(root), [])
  })
})

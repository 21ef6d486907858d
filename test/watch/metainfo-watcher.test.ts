import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFile, mkdir, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, sampleTorrent, watchFixture } from './engine-double.js'

/** What the tree is promised to follow within. */
const PROMISE_MS = 2000

describe('MetainfoWatcher', { concurrency: 4, timeout: 60_000 }, () => {
  it('loads the torrents and magnets that are present at start before start() resolves', async t => {
    const { folder, engine, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    const [a, b, c] = [sampleTorrent('a'), sampleTorrent('b'), sampleTorrent('c')]
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await writeFile(
      join(folder, 'list.magnet'),
      `${b.magnet}\n#${sampleTorrent('off').magnet}\n\t${c.magnet}  `,
    )
    await writeFile(join(folder, 'readme.txt'), 'not ours')
    const status = await watcher.start()
    assert.deepEqual([...engine.present.keys()].sort(), [a.infohash, b.infohash, c.infohash].sort())
    assert.deepEqual(
      { files: status.files, torrents: status.torrents, broken: status.broken },
      { files: 2, torrents: 3, broken: 0 },
    )
    assert.deepEqual(logger.warnings, [])
  })

  it('passes on the path and the modification time of the metainfo file', async t => {
    const { folder, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    const file = join(folder, 'ä.torrent')
    const sample = sampleTorrent('a')
    await writeFile(file, sample.bytes)
    await watcher.start()
    const origin = engine.present.get(sample.infohash)?.origin
    assert.equal(origin?.file, file)
    assert.equal(origin?.modified, Math.floor((await stat(file)).mtimeMs))
  })

  it('follows a file that is added, renamed within the folder, changed and removed', async t => {
    const { folder, base, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    await watcher.start()
    const [a, b] = [sampleTorrent('a'), sampleTorrent('b')]
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await eventually(() => engine.present.has(a.infohash), PROMISE_MS, 'added')
    await rename(join(folder, 'a.torrent'), join(folder, 'z.torrent'))
    await sleep(1500)
    assert.ok(!engine.calls.includes(`remove ${a.infohash}`), 'a renamed file keeps its torrent')
    await writeFile(join(folder, 'z.torrent'), b.bytes)
    await eventually(
      () => engine.present.has(b.infohash) && !engine.present.has(a.infohash),
      PROMISE_MS,
      'changed',
    )
    await rename(join(folder, 'z.torrent'), join(base, 'elsewhere.torrent'))
    await eventually(() => engine.present.size === 0, PROMISE_MS, 'renamed out')
    await rename(join(base, 'elsewhere.torrent'), join(folder, 'in.torrent'))
    await eventually(() => engine.present.has(b.infohash), PROMISE_MS, 'renamed in')
    await unlink(join(folder, 'in.torrent'))
    await eventually(() => engine.present.size === 0, PROMISE_MS, 'removed')
  })

  it('keeps a torrent whose file is saved by delete and write', async t => {
    const { folder, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    const a = sampleTorrent('a')
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await watcher.start()
    await unlink(join(folder, 'a.torrent'))
    await sleep(300)
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await sleep(1200)
    assert.deepEqual(
      engine.calls.filter(call => call.startsWith('remove')),
      [],
    )
  })

  it('loads a file that is written slowly once it is whole, without a warning', async t => {
    const { folder, engine, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    await watcher.start()
    const a = sampleTorrent('slow')
    const file = join(folder, 'slow.torrent')
    await writeFile(file, '')
    for (let i = 0; i < a.bytes.length; i += 20) {
      await appendFile(file, a.bytes.subarray(i, i + 20))
      await sleep(200)
    }
    await eventually(() => engine.present.has(a.infohash), PROMISE_MS, 'whole')
    assert.deepEqual(logger.warnings, [])
  })

  it('warns once of a broken file, naming it and the reason, and loads it when it is mended', async t => {
    const { folder, engine, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    const file = join(folder, 'broken.torrent')
    await writeFile(file, 'd4:infod')
    await watcher.start()
    await eventually(() => logger.warnings.length > 0, PROMISE_MS, 'warned')
    await writeFile(file, 'd4:infode')
    await sleep(1500)
    assert.equal(logger.warnings.length, 1, JSON.stringify(logger.warnings))
    assert.equal(logger.warnings[0]?.fields['file'], file)
    assert.match(String(logger.warnings[0]?.fields['reason']), /\w/)
    assert.equal(watcher.status().broken, 1)
    const a = sampleTorrent('mended')
    await writeFile(file, a.bytes)
    await eventually(() => engine.present.has(a.infohash), PROMISE_MS, 'mended')
    assert.equal(watcher.status().broken, 0)
  })

  it('lets go of the torrent of a file that was replaced by something broken', async t => {
    const { folder, engine, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    const a = sampleTorrent('a')
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await watcher.start()
    await writeFile(join(folder, 'a.torrent'), 'rubbish')
    await eventually(() => engine.present.size === 0, PROMISE_MS, 'let go')
    assert.equal(logger.warnings.length, 1)
  })

  it('adds the good words of a magnet file and names the bad one', async t => {
    const { folder, engine, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    const a = sampleTorrent('a')
    await writeFile(join(folder, 'some.magnet'), `\uFEFFmagnet:?xt=urn:btih:nothing ${a.magnet}`)
    await watcher.start()
    assert.ok(engine.present.has(a.infohash))
    await eventually(() => logger.warnings.length > 0, PROMISE_MS, 'warned')
    assert.match(String(logger.warnings[0]?.fields['reason']), /btih:nothing/)
    await sleep(1000)
    assert.ok(engine.present.has(a.infohash))
  })

  it('keeps a torrent until the last file of its infohash is gone', async t => {
    const { folder, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    const a = sampleTorrent('a')
    await writeFile(join(folder, '0.magnet'), a.magnet)
    await writeFile(join(folder, '1.torrent'), a.bytes)
    await writeFile(join(folder, '2.torrent'), a.bytes)
    await watcher.start()
    assert.equal(engine.present.size, 1)
    assert.deepEqual(
      engine.present.get(a.infohash)?.kinds,
      ['torrent', 'torrent', 'magnet'],
      'the .torrent comes first',
    )
    await unlink(join(folder, '2.torrent'))
    await unlink(join(folder, '1.torrent'))
    await sleep(1500)
    assert.equal(engine.present.size, 1)
    await unlink(join(folder, '0.magnet'))
    await eventually(() => engine.present.size === 0, PROMISE_MS, 'gone')
  })

  it('waits for a folder that is not there at start', async t => {
    const { folder, engine, watcher, logger } = await watchFixture(t)
    await watcher.start()
    assert.equal(watcher.status().present, false)
    assert.equal(logger.warnings.length, 1)
    assert.equal(logger.warnings[0]?.fields['folder'], folder)
    const a = sampleTorrent('a')
    await mkdir(folder)
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await eventually(() => engine.present.has(a.infohash), PROMISE_MS, 'the folder appeared')
    assert.equal(logger.warnings.length, 1)
  })

  it('keeps every torrent when the folder vanishes and follows it when it comes back', async t => {
    const { base, folder, engine, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    const [a, b, c] = [sampleTorrent('a'), sampleTorrent('b'), sampleTorrent('c')]
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await writeFile(join(folder, 'b.torrent'), b.bytes)
    await watcher.start()
    await rename(folder, join(base, 'away'))
    await eventually(() => logger.warnings.length === 1, PROMISE_MS, 'warned')
    assert.match(logger.warnings[0]?.message ?? '', /vanished/)
    await sleep(2000)
    assert.equal(engine.present.size, 2)
    await unlink(join(base, 'away', 'b.torrent'))
    await rename(join(base, 'away'), folder)
    await eventually(() => watcher.status().present, PROMISE_MS, 'recovered')
    await eventually(() => !engine.present.has(b.infohash), PROMISE_MS, 'what was removed meanwhile is gone')
    await writeFile(join(folder, 'c.torrent'), c.bytes)
    await eventually(() => engine.present.has(c.infohash), PROMISE_MS, 'events work again')
    assert.ok(engine.present.has(a.infohash))
    assert.equal(logger.warnings.length, 1)
  })

  it('takes a folder deleted with everything in it for a vanished one', async t => {
    const { folder, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    const a = sampleTorrent('a')
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await watcher.start()
    await rm(folder, { recursive: true })
    await sleep(2000)
    assert.equal(engine.present.size, 1)
    await mkdir(folder)
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await eventually(() => watcher.status().present, PROMISE_MS, 'recovered')
    await sleep(1500)
    assert.deepEqual(
      engine.calls.filter(call => call.startsWith('remove')),
      [],
    )
  })

  it('is not held up by a FIFO, a folder or a dangling link that is named like a torrent', async t => {
    const { folder, engine, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    execFileSync('mkfifo', [join(folder, 'fifo.torrent')])
    await mkdir(join(folder, 'folder.torrent'))
    await symlink('nowhere', join(folder, 'dangling.torrent'))
    const a = sampleTorrent('a')
    await writeFile(join(folder, 'a.torrent'), a.bytes)
    await symlink('a.torrent', join(folder, 'link.torrent'))
    await watcher.start()
    assert.deepEqual([...engine.present.keys()], [a.infohash])
    await eventually(() => logger.warnings.length > 0, PROMISE_MS, 'warned')
    assert.deepEqual(
      logger.warnings.map(line => line.fields['file']),
      [join(folder, 'fifo.torrent')],
    )
  })

  it('loads and follows files whose names are not UTF-8', async t => {
    const { folder, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    await watcher.start()
    const [a, b] = [sampleTorrent('a'), sampleTorrent('b')]
    const path = Buffer.concat([
      Buffer.from(`${folder}/`),
      Buffer.from([0xff, 0xe9]),
      Buffer.from('.torrent'),
    ])
    await writeFile(path, a.bytes)
    await eventually(() => engine.present.has(a.infohash), PROMISE_MS, 'added')
    await writeFile(path, b.bytes)
    await eventually(
      () => engine.present.has(b.infohash) && !engine.present.has(a.infohash),
      PROMISE_MS,
      'changed',
    )
  })

  it('refuses a file that is too large without reading it', async t => {
    const { folder, watcher, logger } = await watchFixture(t)
    await mkdir(folder)
    const file = join(folder, 'huge.torrent')
    await writeFile(file, 'd')
    execFileSync('truncate', ['-s', '1G', file])
    await watcher.start()
    await eventually(() => logger.warnings.length > 0, PROMISE_MS, 'warned')
    assert.match(String(logger.warnings[0]?.fields['reason']), /1073741824 bytes/)
  })
})

describe('MetainfoWatcher with many files', { timeout: 120_000 }, () => {
  it('follows 500 files that appear at once within 5 s, and their removal', async t => {
    const { folder, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    await watcher.start()
    const samples = Array.from({ length: 500 }, (_, i) => sampleTorrent(`many ${i}`))
    samples.forEach((sample, i) => writeFileSync(join(folder, `${i}.torrent`), sample.bytes))
    const added = await eventually(() => engine.present.size === 500, 5000, 'added')
    await Promise.all(samples.map((_, i) => unlink(join(folder, `${i}.torrent`))))
    const removed = await eventually(() => engine.present.size === 0, 5000, 'removed')
    t.diagnostic(`500 files: added in ${added.toFixed(0)} ms, removed in ${removed.toFixed(0)} ms`)
  })

  it('loads 10,000 files at start, and then follows one that changes', async t => {
    const { folder, engine, watcher } = await watchFixture(t)
    await mkdir(folder)
    for (let i = 0; i < 10_000; i++) writeFileSync(join(folder, `${i}.torrent`), sampleTorrent(`${i}`).bytes)
    const before = process.memoryUsage.rss()
    const began = performance.now()
    await watcher.start()
    const took = performance.now() - began
    assert.equal(engine.present.size, 10_000)
    t.diagnostic(
      `10,000 files: ${took.toFixed(0)} ms, ${((process.memoryUsage.rss() - before) / 1e6).toFixed(0)} MB more RSS`,
    )
    const a = sampleTorrent('late')
    await writeFile(join(folder, '17.torrent'), a.bytes)
    await eventually(() => engine.present.has(a.infohash), PROMISE_MS, 'changed')
  })
})

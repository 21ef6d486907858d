import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { eventually, sampleTorrent, watchFixture } from './engine-double.js'

/** `nobody`; this file has a process of its own, so that giving up root hurts no other test. */
const NOBODY = 65534

it('loads a file that becomes readable', { timeout: 20_000 }, async t => {
  const { base, folder, engine, watcher, logger } = await watchFixture(t)
  await mkdir(folder)
  const a = sampleTorrent('a')
  const file = join(folder, 'a.torrent')
  await writeFile(file, a.bytes, { mode: 0 })
  if (process.geteuid?.() === 0) {
    for (const path of [base, folder, file]) await chown(path, NOBODY, NOBODY)
    process.seteuid?.(NOBODY)
    t.after(() => process.seteuid?.(0))
  }
  await watcher.start()
  // Only what follows is promised within 2 s; a complaint waits for quiet, and may be late on a busy machine.
  await eventually(() => logger.warnings.length === 1, 10_000, 'warned')
  await chmod(file, 0o644)
  await eventually(() => engine.present.has(a.infohash), 2000, 'readable')
})

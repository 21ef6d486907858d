/**
 * A process that mounts torrents from a disk and stays, to be killed by a test.
 *
 * Arguments: mountDir, and a folder for its files. Prints `ready` when the mount answers.
 */
import { mountTorrents } from '../../src/fs/index.js'
import { DiskTorrents, testBytes } from './fs-fixture.js'

const mountDir = process.argv[2]!
const fixture = await DiskTorrents.create(process.argv[3])
const mount = await mountTorrents({ mountDir })
for (const stored of [true, false]) {
  const name = stored ? 'stored.bin' : 'blocked.bin'
  const file = { path: [name], content: testBytes(1 << 20, 7) }
  mount.add((await fixture.add({ name, multiFile: false, stored, files: [file] })).port)
}
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
console.log('ready')

/**
 * A process that mounts torrents from a disk and stays, to be killed by a test.
 *
 * Arguments: mountDir, a folder for its files, and the name of the backend. Prints `ready` when the mount answers.
 */
import { type BackendName, chooseBackend, mountTorrents } from '../../src/fs/index.js'
import { silentLogger } from '../../src/torrent/index.js'
import { DiskTorrents, testBytes } from './fs-fixture.js'

const mountDir = process.argv[2]!
const fixture = await DiskTorrents.create(process.argv[3])
const backend = chooseBackend(process.argv[4] as BackendName, silentLogger)
const mount = await mountTorrents({ mountDir, backend })
for (const stored of [true, false]) {
  const name = stored ? 'stored.bin' : 'blocked.bin'
  const file = { path: [name], content: testBytes(1 << 20, 7) }
  mount.add((await fixture.add({ name, multiFile: false, stored, files: [file] })).port)
}
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
console.log('ready')

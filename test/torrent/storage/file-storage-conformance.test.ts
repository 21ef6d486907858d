import { join } from 'node:path'
import { FileStorage } from '../../../src/torrent/storage/file-storage.js'
import { describeStorage } from './conformance.js'
import { temporaryFolder } from './fixture.js'

describeStorage('file', async t => new FileStorage({ root: join(await temporaryFolder(t), 'downloads') }))

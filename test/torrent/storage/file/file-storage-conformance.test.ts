import { join } from 'node:path'
import { FileStorage } from '../../../../src/torrent/storage/file/file-storage.js'
import { describeStorage } from '../conformance.js'

describeStorage('file', (_, folder) => Promise.resolve(new FileStorage({ root: join(folder, 'downloads') })))

import { MemoryStorage } from '../../../../src/torrent/storage/memory/memory-storage.js'
import { describeStorage } from '../conformance.js'

describeStorage('memory', () => Promise.resolve(new MemoryStorage()), { forgetful: true })

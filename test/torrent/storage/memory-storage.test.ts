import { MemoryStorage } from '../../../src/torrent/storage/memory-storage.js'
import { describeStorage } from './conformance.js'

describeStorage('memory', () => Promise.resolve(new MemoryStorage()))

import { MemoryCompletion } from '../../../../src/torrent/storage/completion/memory-completion.js'
import { describeCompletion } from './completion-conformance.js'

describeCompletion('memory', () => new MemoryCompletion(), { forgetful: true })

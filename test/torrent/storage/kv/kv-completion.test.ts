import { join } from 'node:path'
import { KvCompletion } from '../../../../src/torrent/storage/kv/kv-completion.js'
import { describeCompletion } from '../completion/completion-conformance.js'

describeCompletion('kv', (folder, bootId) => new KvCompletion(join(folder, 'marks.kv'), { bootId }))

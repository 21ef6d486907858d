import { join } from 'node:path'
import { SqliteCompletion } from '../../../../src/torrent/storage/sqlite/sqlite-completion.js'
import { describeCompletion } from '../completion/completion-conformance.js'

describeCompletion('sqlite', (folder, bootId) => new SqliteCompletion(join(folder, 'marks.db'), { bootId }))

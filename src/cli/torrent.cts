#!/usr/bin/env node
/**
 * The entry of the `torrent` command: sets what must be set before libuv starts, then runs the command.
 *
 * CommonJS on purpose: by the time an ES module runs, its loader has used the thread pool, whose size is read just once.
 * Must not do anything else.
 */
import fs = require('node:fs')
import path = require('node:path')
import compiled = require('./compiled-file.cjs')

// Hashing, reading and name lookups that hang share this pool.
process.env['UV_THREADPOOL_SIZE'] ??= '16'

interface Command {
  main(args: readonly string[]): Promise<void>
}

const bundled = path.join(__dirname, '..', 'torrent-command.cjs')
if (fs.existsSync(bundled)) void (compiled.runCompiled(bundled) as Command).main(process.argv.slice(2))
// As it was compiled, module by module.
else void import('./torrent/main.js').then(({ main }) => main(process.argv.slice(2)))

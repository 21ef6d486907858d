#!/usr/bin/env node
/**
 * The entry of the `torrent` command: sets what must be set before libuv starts, then runs the command.
 *
 * CommonJS on purpose: by the time an ES module runs, its loader has used the thread pool, whose size is read just once.
 * Must not do anything else.
 */

// Hashing, reading and name lookups that hang share this pool.
process.env['UV_THREADPOOL_SIZE'] ??= '16'

void import('./torrent/main.js').then(({ main }) => main(process.argv.slice(2)))

#!/usr/bin/env node
/**
 * The entry of the `torrentfs` command: sets what must be set before libuv starts, then runs the daemon.
 *
 * CommonJS on purpose: by the time an ES module runs, its loader has used the thread pool, whose size is read just once.
 * Must not do anything else.
 */

// Reads of many files at once (a folder of metainfo, a library scan) and name lookups that hang share this pool.
process.env['UV_THREADPOOL_SIZE'] ??= '16'

void import('./main.js').then(({ main }) => main(process.argv.slice(2)))

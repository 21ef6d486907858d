/*
 * Preloaded into the daemon (node --require) to watch its event loop without the daemon knowing.
 * Each SIGUSR2 appends one JSON line of what was seen since the last one to torrentfs-loop-PID.json in the
 * temporary folder, and starts anew. Times in ms, the sampling interval taken off.
 */
'use strict'
const { isMainThread } = require('node:worker_threads')

if (isMainThread) {
  const { monitorEventLoopDelay } = require('node:perf_hooks')
  const { appendFileSync } = require('node:fs')
  const { tmpdir } = require('node:os')
  const { join } = require('node:path')

  const RESOLUTION = 1
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  const delay = nanoseconds => Math.max(0, nanoseconds / 1e6 - RESOLUTION)
  histogram.enable()
  process.on('SIGUSR2', () => {
    const seen = {
      count: histogram.count,
      p50: delay(histogram.percentile(50)),
      p99: delay(histogram.percentile(99)),
      max: delay(histogram.max),
      rss: process.memoryUsage(),
    }
    appendFileSync(join(tmpdir(), `torrentfs-loop-${process.pid}.json`), `${JSON.stringify(seen)}\n`)
    histogram.reset()
  })
}

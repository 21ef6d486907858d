/**
 * A reader that waits can be ended at once, whatever way it reads; so can the mount; and what a killed daemon leaves is mended
 * by the next.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTorrent } from '../../../src/torrent/index.js'
import { within } from '../../support/child.js'
import { Daemon } from '../../support/daemon.js'
import { Scope } from '../../support/scope.js'
import type { Figures } from './figures.js'

const MiB = 1 << 20

/** What a Python process does to block on a file open as `fd`. */
const WAYS: Readonly<Record<string, string>> = {
  'a buffered read': 'os.read(fd, 65536)',
  'an O_DIRECT read': 'os.preadv(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT), [mmap.mmap(-1, 65536)], 0)',
  'a mapping': 'mmap.mmap(fd, 65536, prot=mmap.PROT_READ)[100]',
  sendfile: "os.sendfile(os.open('/dev/null', os.O_WRONLY), fd, 0, 65536)",
}
const OPEN = `import os, sys, mmap, signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
fd = os.open(sys.argv[1], os.O_RDONLY)
`
const ALARM = `
class Alarm(Exception): pass
def ring(*_): raise Alarm()
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.4)
begin = time.time()
`

export interface InterruptOptions {
  /** ms from the signal to the reader's end. */
  readonly limitMs: number
}

/** Runs all of it. */
export async function interrupts(figures: Figures, { limitMs }: InterruptOptions): Promise<void> {
  const scope = new Scope()
  try {
    const folder = scope.folder()
    const source = join(folder, 'dead.bin')
    writeFileSync(source, Buffer.alloc(64 * MiB, 'x'))
    mkdirSync(join(folder, 'made'))
    const torrent = join(folder, 'made', 'dead.torrent')
    writeFileSync(torrent, await createTorrent(source, { pieceLength: MiB }))
    let daemon = await Daemon.start(scope, { torrents: [torrent] })
    await daemon.listed('dead.bin')
    const path = daemon.path('dead.bin')

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      const cat = await timeToEnd(daemon, signal, 'cat', [path])
      figures.atMost(`${signal} ends cat in`, cat, limitMs, ' ms')
      for (const [way, code] of Object.entries(WAYS)) {
        const ms = await timeToEnd(daemon, signal, '/usr/bin/python3', ['-c', OPEN + code, path])
        figures.atMost(`${signal} ends ${way} in`, ms, limitMs, ' ms')
      }
    }
    for (const [way, code] of Object.entries(WAYS)) {
      // The kernel does not interrupt a page fault for a handler.
      if (way === 'a mapping') continue
      const program = `${OPEN}${ALARM}try: ${code}\nexcept Alarm: print((time.time() - begin) * 1000 - 400)`
      const { stdout } = await daemon.reader('/usr/bin/python3', ['-c', program, path], 10_000)
      figures.atMost(`an alarm interrupts ${way} after`, Number(stdout || NaN), limitMs, ' ms')
    }

    const blocked = daemon.startReader('cat', [path])
    await sleep(300)
    await daemon.reader('fusermount3', ['-u', '-z', daemon.mountDir])
    const exit = await within(daemon.child.exited, 3000)
    figures.check(
      'fusermount3 -u from outside ends the daemon with',
      exit?.code === 0,
      exit?.code === 0 ? 0 : `${exit?.code ?? 'no end'}; it said: ${daemon.child.stderr.slice(-2000)}`,
    )
    figures.check('and its reader', (await within(blocked.exited, 1000)) !== undefined, 'ended')

    daemon = await Daemon.start(scope, { folder: daemon.folder })
    await daemon.child.stop('SIGKILL', 1000)
    const next = await Daemon.start(scope, { folder: daemon.folder })
    await next.listed('dead.bin')
    figures.note('after kill -9 the next start mounts in', `${Math.round(next.readyMs)} ms`)
    const stopped = await next.stop()
    figures.check('and ends with', stopped.code === 0, stopped.code ?? 'a signal')
  } finally {
    await scope.close()
  }
}

/** @returns ms from the signal to the end of a reader that was blocked; NaN when it was not ended by it */
async function timeToEnd(
  daemon: Daemon,
  signal: NodeJS.Signals,
  command: string,
  args: readonly string[],
): Promise<number> {
  const reader = daemon.startReader(command, args)
  await sleep(400)
  const begin = performance.now()
  reader.signal(signal)
  const exit = await within(reader.exited, 5000)
  return exit?.signal === signal ? performance.now() - begin : NaN
}

/**
 * Makes every client get memory of one kind.
 *
 * A virtual machine pays for a page when it is touched for the first time, or again after it was given back to the host: 2 s
 * of system time for 1 GiB here, where a page that was in use before costs a third. What a row measures would be which
 * client found which pages. So the page cache is filled once, as it is on any machine that has been up for a while, and
 * nothing is removed before the end: from then on every new page is one that was in use before.
 */
import { openSync, closeSync, ftruncateSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { GIB } from './content.js'
import { CACHE, RUN } from './places.js'
import { run } from './processes.js'

/** Bytes of disk that must be free to keep all downloads until the end. */
const ROOM_TO_KEEP = 40 * GIB
/** Bytes that may stay free: the kernel keeps some. */
const LEFT = GIB

/** Whether downloads are kept until the bench ends. */
export const keepsDownloads: boolean = (() => {
  try {
    const disk = statfsSync(CACHE)
    return disk.bavail * disk.bsize > ROOM_TO_KEEP
  } catch {
    return false
  }
})()

function freeBytes(): number {
  return Number(/^MemFree:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024
}

/** Fills the page cache from a file without content. Some 2 s for each GiB that was never touched. */
export async function fillPageCache(say: (text: string) => void): Promise<void> {
  const bytes = freeBytes() - LEFT
  if (bytes <= 0 || !keepsDownloads) return
  say(`filling the page cache (${(bytes / GIB).toFixed(0)} GiB)`)
  const path = join(RUN, 'zeros')
  const file = openSync(path, 'w')
  ftruncateSync(file, bytes)
  closeSync(file)
  await run('dd', [`if=${path}`, 'of=/dev/null', 'bs=1M'])
}

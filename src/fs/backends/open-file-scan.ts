/**
 * Worker: tells which of some files no living process has open, by looking through /proc.
 *
 * In a thread of its own, with blocking calls: /proc/PID/maps waits for locks that a process blocked in a page fault on
 * our own mount may hold, which must stall neither the thread that answers the mount nor the pool that reads the storage.
 *
 * Goes by the last component of the name, whatever the path before it (other mount namespaces show other paths), and in
 * doubt says "open": a read ended wrongly is an error in a living program, one kept wrongly costs a thread.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

export interface ScanRequest {
  /** Last components of paths. */
  names: string[]
  /** Whether processes of other users can have files of the mount open. */
  othersMayRead: boolean
}

export interface ScanResult {
  /** Those of the names no living process has open. */
  abandoned: string[]
}

/** Where a file was seen open: a descriptor, or undefined for a mapping. */
interface Holder {
  pid: string
  descriptor: string | undefined
}

/** A file for which nothing but unreadable processes is left is not looked for again so soon (ms). */
const DOUBT_MS = 5000
const SIGKILL_BIT = 1n << 8n
/** An unreadable process that started longer than this before is no `sudo cat <file`. */
const TICKS_PER_SECOND = 100
const RECENT_SECONDS = 60

const holders = new Map<string, Holder>()
const doubtful = new Map<string, number>()

function attempt<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}

/** Whether the process still runs program code: neither gone, nor a zombie, nor about to be killed. */
function isAlive(pid: string): boolean {
  const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'latin1'))
  if (status === undefined) return false
  if (/^State:\s+[ZX]/m.test(status)) return false
  for (const match of status.matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)/gm)) {
    if ((BigInt(`0x${match[1]!}`) & SIGKILL_BIT) !== 0n) return false
  }
  return true
}

/** What a link in /proc/PID/fd is open on: its last component. */
function lastComponent(link: string): string | undefined {
  if (!link.startsWith('/')) return undefined
  const name = link.slice(link.lastIndexOf('/') + 1)
  return name.endsWith(' (deleted)') ? name.slice(0, -' (deleted)'.length) : name
}

/** Newlines are all that /proc/PID/maps escapes. */
function inMaps(name: string): string {
  return `/${name.replaceAll('\n', '\\012')}`
}

function stillHolds({ pid, descriptor }: Holder, name: string): boolean {
  if (descriptor === undefined) {
    const maps = attempt(() => readFileSync(`/proc/${pid}/maps`, 'utf8'))
    return maps !== undefined && maps.includes(inMaps(name)) && isAlive(pid)
  }
  const link = attempt(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`))
  return link !== undefined && lastComponent(link) === name && isAlive(pid)
}

function uptimeTicks(): number {
  return Number(attempt(() => readFileSync('/proc/uptime', 'latin1'))?.split(' ')[0] ?? 0) * TICKS_PER_SECOND
}

/** Whether a process whose descriptors we may not read could have one of ours. */
function mayHold(pid: string, othersMayRead: boolean, now: number): boolean {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  if (stat === undefined) return false
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Kernel threads are children of kthreadd and open nothing of ours.
  if (pid === '2' || fields[1] === '2' || fields[0] === 'Z') return false
  return othersMayRead || now - Number(fields[19]) < RECENT_SECONDS * TICKS_PER_SECOND
}

/** Files behind loop devices are held by the kernel alone. */
function* loopFiles(): Generator<string> {
  for (const device of attempt(() => readdirSync('/sys/block')) ?? []) {
    if (!device.startsWith('loop')) continue
    const file = attempt(() => readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8'))
    const name = file && lastComponent(file.replace(/\n$/, ''))
    if (name !== undefined && name !== '') yield name
  }
}

/** Looks for the `wanted` among all descriptors, and takes those it finds out. @returns whether any process was unreadable */
function searchDescriptors(pids: string[], wanted: Set<string>, othersMayRead: boolean): boolean {
  let doubt = false
  const now = uptimeTicks()
  for (const pid of pids) {
    if (wanted.size === 0) break
    let descriptors: string[]
    try {
      descriptors = readdirSync(`/proc/${pid}/fd`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') doubt ||= mayHold(pid, othersMayRead, now)
      continue
    }
    for (const descriptor of descriptors) {
      const link = attempt(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`))
      const name = link && lastComponent(link)
      if (name === undefined || !wanted.has(name)) continue
      if (!isAlive(pid)) break
      holders.set(name, { pid, descriptor })
      wanted.delete(name)
    }
  }
  return doubt
}

/** Looks for the `wanted` among all mappings (dearer), and takes those it finds out. */
function searchMappings(pids: string[], wanted: Set<string>): void {
  for (const pid of pids) {
    if (wanted.size === 0) return
    const maps = attempt(() => readFileSync(`/proc/${pid}/maps`, 'utf8'))
    if (!maps) continue
    for (const name of wanted) {
      if (!maps.includes(inMaps(name)) || !isAlive(pid)) continue
      holders.set(name, { pid, descriptor: undefined })
      wanted.delete(name)
    }
  }
}

function scan({ names, othersMayRead }: ScanRequest): ScanResult {
  const asked = new Set(names)
  for (const name of holders.keys()) if (!asked.has(name)) holders.delete(name)
  for (const name of doubtful.keys()) if (!asked.has(name)) doubtful.delete(name)

  const wanted = new Set<string>()
  for (const name of names) {
    const holder = holders.get(name)
    if (holder && stillHolds(holder, name)) continue
    holders.delete(name)
    if ((doubtful.get(name) ?? 0) <= performance.now()) wanted.add(name)
  }
  if (wanted.size > 0) for (const name of loopFiles()) wanted.delete(name)
  if (wanted.size === 0) return { abandoned: [] }

  const pids = readdirSync('/proc').filter(pid => /^[1-9]\d*$/.test(pid) && Number(pid) !== process.pid)
  const doubt = searchDescriptors(pids, wanted, othersMayRead)
  searchMappings(pids, wanted)
  if (!doubt) return { abandoned: [...wanted] }
  for (const name of wanted) doubtful.set(name, performance.now() + DOUBT_MS)
  return { abandoned: [] }
}

const port = parentPort
port?.on('message', (request: ScanRequest) => {
  let result: ScanResult = { abandoned: [] }
  try {
    result = scan(request)
  } finally {
    port.postMessage(result)
  }
})

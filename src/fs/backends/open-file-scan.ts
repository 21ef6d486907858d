/**
 * Worker: tells which of some files no living process has open, by looking through /proc.
 *
 * In a thread of its own, with blocking calls: /proc/PID/maps waits for locks that a process blocked in a page fault on
 * our own mount may hold, which must stall neither the thread that answers the mount nor the pool that reads the storage.
 *
 * Goes by the last component of the name, whatever the path before it (other mount namespaces show other paths), and in
 * doubt says "open": a read ended wrongly is an error in a living program, one kept wrongly costs a thread.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

export interface ScanRequest {
  /** Last components of paths. */
  names: string[]
  /** Those of the names on which a reader may wait that cannot be killed before it is answered. */
  unkillable: string[]
  /** Whether processes of other users can have files of the mount open. */
  othersMayRead: boolean
}

export interface ScanResult {
  /** Those of the names no living process has open. */
  abandoned: string[]
  /** Processes that are being killed while they have one of the `unkillable` open, and whence they read: [begin, end). */
  dying: { name: string; begin: number; end: number }[]
}

/** Where a file was seen open: a descriptor, or undefined for a mapping. */
interface Holder {
  /** Its folder in /proc. */
  process: string
  descriptor: string | undefined
}

/** A file for which nothing but unreadable processes is left is not looked for again so soon (ms). */
const DOUBT_MS = 5000
const SIGKILL_BIT = 1n << 8n
/** Numbers of system calls on x64, where alone the binding runs. */
const SYS_READ = '0'
const SYS_PREAD = '17'
const PAGE = 4096
const TICKS_PER_SECOND = 100
/** An unreadable process that started longer than this before is no `sudo cat <file`. */
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

/** Whether the process still runs program code, is about to be killed, or is gone (or a zombie). */
function stateOf(process: string): 'alive' | 'dying' | 'gone' {
  const status = attempt(() => readFileSync(`${process}/status`, 'latin1'))
  if (status === undefined || /^State:\s+[ZX]/m.test(status)) return 'gone'
  for (const match of status.matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)/gm)) {
    if ((BigInt(`0x${match[1]!}`) & SIGKILL_BIT) !== 0n) return 'dying'
  }
  return 'alive'
}

/** From where the system call a process is in reads the descriptor: [begin, end), all if it cannot be told. */
function rangeOfRead(process: string, descriptor: string): { begin: number; end: number } {
  const everything = { begin: 0, end: Infinity }
  const call = attempt(() => readFileSync(`${process}/syscall`, 'latin1'))?.split(' ')
  if (!call || Number(call[1]) !== Number(descriptor)) return everything
  const count = Number(call[3])
  let position: number
  if (call[0] === SYS_READ) {
    const info = attempt(() => readFileSync(`${process}/fdinfo/${descriptor}`, 'latin1'))
    position = Number(/^pos:\s+(\d+)/m.exec(info ?? '')?.[1] ?? NaN)
  } else if (call[0] === SYS_PREAD) {
    position = Number(call[4])
  } else {
    return everything
  }
  if (!Number.isSafeInteger(position) || !Number.isSafeInteger(count)) return everything
  return { begin: position - (position % PAGE), end: position + count }
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

function stillHolds({ process, descriptor }: Holder, name: string): boolean {
  if (descriptor === undefined) {
    const maps = attempt(() => readFileSync(`${process}/maps`, 'utf8'))
    return maps !== undefined && maps.includes(inMaps(name)) && stateOf(process) === 'alive'
  }
  const link = attempt(() => readlinkSync(`${process}/fd/${descriptor}`))
  return link !== undefined && lastComponent(link) === name && stateOf(process) === 'alive'
}

/** Descriptors of a process, and the folder in /proc that shows them; its first thread may have ended before others. */
function descriptorsOf(pid: string): { process: string; descriptors: string[] } {
  const process = `/proc/${pid}`
  const descriptors = readdirSync(`${process}/fd`)
  if (descriptors.length > 0 || stateOf(process) !== 'gone') return { process, descriptors }
  for (const thread of attempt(() => readdirSync(`${process}/task`)) ?? []) {
    const ofThread = attempt(() => readdirSync(`${process}/task/${thread}/fd`)) ?? []
    if (ofThread.length > 0) return { process: `${process}/task/${thread}`, descriptors: ofThread }
  }
  return { process, descriptors }
}

function uptimeTicks(): number {
  return Number(attempt(() => readFileSync('/proc/uptime', 'latin1'))?.split(' ')[0] ?? 0) * TICKS_PER_SECOND
}

/** Whether a process was started, however indirectly, by one of this user: else it cannot have inherited a descriptor. */
function isOfOurs(fields: readonly string[]): boolean {
  const own = process.getuid?.()
  const session = fields[3]!
  let parent = fields[1]!
  if (attempt(() => statSync(`/proc/${session}`).uid) === own) return true
  for (let depth = 0; depth < 64 && Number(parent) > 1; depth++) {
    const owner = attempt(() => statSync(`/proc/${parent}`).uid)
    // An ancestor that is gone may have been anyone's.
    if (owner === undefined || owner === own) return true
    const stat = attempt(() => readFileSync(`/proc/${parent}/stat`, 'latin1'))
    if (stat === undefined) return true
    parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]!
  }
  return false
}

/** Whether a process whose descriptors we may not read could have one of ours. */
function mayHold(pid: string, othersMayRead: boolean, now: number): boolean {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  if (stat === undefined) return false
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Kernel threads are children of kthreadd and open nothing of ours.
  if (pid === '2' || fields[1] === '2' || fields[0] === 'Z') return false
  if (othersMayRead) return true
  return now - Number(fields[19]) < RECENT_SECONDS * TICKS_PER_SECOND && isOfOurs(fields)
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

interface Search {
  /** Names not yet found open in a living process. */
  wanted: Set<string>
  /** Names of which every holder is looked at. */
  unkillable: Set<string>
  dying: ScanResult['dying']
}

/** Looks for names among all descriptors. @returns whether any process that may hold one was unreadable */
function searchDescriptors(pids: string[], search: Search, othersMayRead: boolean): boolean {
  const { wanted, unkillable, dying } = search
  let doubt = false
  const now = uptimeTicks()
  for (const pid of pids) {
    if (wanted.size === 0 && unkillable.size === 0) break
    let found
    try {
      found = descriptorsOf(pid)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') doubt ||= mayHold(pid, othersMayRead, now)
      continue
    }
    const { process } = found
    for (const descriptor of found.descriptors) {
      const link = attempt(() => readlinkSync(`${process}/fd/${descriptor}`))
      const name = link && lastComponent(link)
      if (name === undefined || !(wanted.has(name) || unkillable.has(name))) continue
      const state = stateOf(process)
      if (state === 'gone') break
      if (state === 'dying') {
        if (unkillable.has(name)) dying.push({ name, ...rangeOfRead(process, descriptor) })
        continue
      }
      holders.set(name, { process, descriptor })
      wanted.delete(name)
    }
  }
  return doubt
}

/** Looks for the `wanted` among all mappings (dearer), and takes those it finds out. */
function searchMappings(pids: string[], wanted: Set<string>): void {
  for (const pid of pids) {
    if (wanted.size === 0) return
    const process = `/proc/${pid}`
    const maps = attempt(() => readFileSync(`${process}/maps`, 'utf8'))
    if (!maps) continue
    for (const name of wanted) {
      if (!maps.includes(inMaps(name)) || stateOf(process) !== 'alive') continue
      holders.set(name, { process, descriptor: undefined })
      wanted.delete(name)
    }
  }
}

function scan({ names, unkillable, othersMayRead }: ScanRequest): ScanResult {
  const asked = new Set(names)
  for (const name of holders.keys()) if (!asked.has(name)) holders.delete(name)
  for (const name of doubtful.keys()) if (!asked.has(name)) doubtful.delete(name)

  const search: Search = { wanted: new Set(), unkillable: new Set(unkillable), dying: [] }
  const { wanted, dying } = search
  for (const name of names) {
    const holder = holders.get(name)
    if (holder && stillHolds(holder, name)) continue
    holders.delete(name)
    if ((doubtful.get(name) ?? 0) <= performance.now()) wanted.add(name)
  }
  if (wanted.size > 0) for (const name of loopFiles()) wanted.delete(name)
  if (wanted.size === 0 && search.unkillable.size === 0) return { abandoned: [], dying }

  const pids = readdirSync('/proc').filter(name => /^[1-9]\d*$/.test(name) && Number(name) !== process.pid)
  const doubt = searchDescriptors(pids, search, othersMayRead)
  searchMappings(pids, wanted)
  if (!doubt) return { abandoned: [...wanted], dying }
  for (const name of wanted) doubtful.set(name, performance.now() + DOUBT_MS)
  return { abandoned: [], dying }
}

const port = parentPort
port?.on('message', (request: ScanRequest) => {
  let result: ScanResult = { abandoned: [], dying: [] }
  try {
    result = scan(request)
  } finally {
    port.postMessage(result)
  }
})

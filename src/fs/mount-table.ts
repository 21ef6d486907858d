/**
 * The kernel's list of mounts (`/proc/self/mountinfo`), the only safe way to ask about one: a `stat` of a mount whose
 * daemon is gone may hang.
 */
import { readFile } from 'node:fs/promises'

/** One mount. */
export interface MountEntry {
  /** `MAJ:MIN` of the filesystem's device, unique while it is mounted. */
  readonly device: string
  /** Absolute path. */
  readonly mountPoint: string
  /** Such as `ext4` or `fuse.torrentfs`. */
  readonly type: string
}

/** Undoes the octal escapes of the kernel's tables (`\040` is a space). */
function unescape(text: string): string {
  if (!text.includes('\\')) return text
  const bytes: number[] = []
  const raw = Buffer.from(text)
  for (let i = 0; i < raw.length; i++) {
    const digits = raw.toString('latin1', i + 1, i + 4)
    if (raw[i] === 0x5c && /^[0-7]{3}$/.test(digits)) {
      bytes.push(parseInt(digits, 8))
      i += 3
    } else {
      bytes.push(raw[i]!)
    }
  }
  return Buffer.from(bytes).toString()
}

/** Parses the text of a mountinfo file; lines it does not understand are left out. See proc(5). */
export function parseMountTable(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    const fields = line.split(' ')
    const separator = fields.indexOf('-', 6)
    const [, , device, , mountPoint] = fields
    const type = fields[separator + 1]
    if (separator === -1 || !device || !mountPoint || !type) continue
    entries.push({ device, mountPoint: unescape(mountPoint), type: unescape(type) })
  }
  return entries
}

/** The mount that is seen at exactly `path` (the topmost, if there are several), or undefined. */
export async function mountAt(path: string): Promise<MountEntry | undefined> {
  const entries = parseMountTable(await readFile('/proc/self/mountinfo', 'utf8'))
  return entries.findLast(entry => entry.mountPoint === path)
}

/** Whether the filesystem on `device` is still mounted at `path`, even if another mount hides it. */
export async function isMounted(device: string, path: string): Promise<boolean> {
  const entries = parseMountTable(await readFile('/proc/self/mountinfo', 'utf8'))
  return entries.some(entry => entry.device === device && entry.mountPoint === path)
}

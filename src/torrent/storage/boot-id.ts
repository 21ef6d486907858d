/**
 * Which run of the machine this is: what was not synced in an earlier one may be lost.
 */
import { readFileSync } from 'node:fs'

/** The running kernel's id, 36 characters; '' where there is none, and then nothing unsynced is trusted after a restart. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().slice(0, 36)
  } catch {
    return ''
  }
}

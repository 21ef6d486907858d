/** What programs say they are. */
import { spawnSync } from 'node:child_process'

/** The first line a program prints, or `unknown`. */
export function firstLine(command: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 })
  return (stdout || stderr || 'unknown').trim().split('\n')[0]!
}

/**
 * The built `torrent` command, run as a user runs it: in a process of its own, without a terminal.
 */

import { run, type Outcome, type StartOptions } from './child.js'
import { torrentEntry } from './project.js'
import type { Scope } from './scope.js'

/** Runs it to its end. @param args such as `['create', 'folder', '--output', '-']` */
export async function torrentCommand(
  scope: Scope,
  args: readonly string[],
  options: StartOptions & { readonly deadlineMs?: number; readonly input?: string } = {},
): Promise<Outcome> {
  return run(scope, process.execPath, [torrentEntry, ...args], options)
}

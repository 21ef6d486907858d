/**
 * The bytes a command writes: to a file, whole or not at all, or to standard output.
 *
 * Owns what `--output` means on the command line.
 */

import { randomBytes } from 'node:crypto'
import { lstat, link, open, rename, unlink } from 'node:fs/promises'
import { once } from 'node:events'
import type { Context } from './context.js'
import { reasonOf } from './input.js'

/** Finds out before the work that {@link writeOutput} would have no place. @throws Error naming the path */
export async function checkOutput(target: string, { force = false } = {}): Promise<void> {
  if (target === '-' || force) return
  const found = await lstat(target).catch(() => undefined)
  if (found !== undefined) throw isThere(target)
}

function isThere(target: string): Error {
  return new Error(`cannot write ${target}: it is there already (--force replaces it)`)
}

/**
 * Writes bytes.
 *
 * @param target a path, or `-`
 * @param force replace a file that is there
 * @throws Error naming the path
 */
export async function writeOutput(
  context: Context,
  target: string,
  bytes: Uint8Array,
  { force = false } = {},
): Promise<void> {
  if (target === '-') {
    if (context.stdout.isTTY) throw new Error('the output is not text: send it to a file or a program')
    if (!context.stdout.write(bytes)) await once(context.stdout, 'drain', { signal: context.signal })
    return
  }
  // Beside the target, so that it can take its place in one step.
  const draft = `${target}.${randomBytes(4).toString('hex')}.part`
  try {
    const file = await open(draft, 'wx')
    try {
      await file.writeFile(bytes)
    } finally {
      await file.close()
    }
    // A link, unlike a new name, does not replace what is there.
    if (force) await rename(draft, target)
    else await link(draft, target)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw isThere(target)
    throw new Error(`cannot write ${target}: ${reasonOf(error)}`, { cause: error })
  } finally {
    await unlink(draft).catch(() => undefined)
  }
}

/**
 * What `torrent stream` does: waits for the files, serves them, and plays them if asked to.
 *
 * Owns the client, the server, the player and the folder of what was fetched, unless that was named. Must not be loaded
 * before the command runs.
 */

import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { File } from '../../torrent/index.js'
import type { HostAndPort } from '../flag-values.js'
import { UsageError } from '../usage-error.js'
import { untilAborted } from './aborting.js'
import { printable, type Context } from './context.js'
import { filesMeant } from './file-globs.js'
import { HttpFiles } from './http-files.js'
import { isMedia } from './media-types.js'
import { openClient, type NetworkInput } from './network-options.js'
import { untilFilesKnown } from './transfer.js'

/** What was given on the command line. */
export interface StreamInput extends NetworkInput {
  readonly source: string
  readonly file: readonly string[]
  /** An absolute path; undefined: a folder that goes with the command. */
  readonly output: string | undefined
  readonly http: HostAndPort
  /** A program and its arguments; the URLs follow. */
  readonly player: string | undefined
}

/** Streams. @returns the exit status */
export async function streamFiles(context: Context, input: StreamInput): Promise<number> {
  const player = input.player === undefined ? undefined : wordsOf(input.player)
  const folder = input.output ?? (await mkdtemp(join(tmpdir(), 'torrent-stream-')))
  try {
    const client = await openClient(input, { downloadDir: folder })
    const ends = new AbortController()
    try {
      const { signal } = context
      const torrent = await client.add(input.source, { signal })
      await untilFilesKnown(torrent, signal)
      const files = choose(torrent.files, input.file)
      if (files.length === 0) {
        throw new Error(
          `no file of ${torrent.name} ${input.file.length === 0 ? 'has anything in it' : `matches ${input.file.join(' or ')}`}`,
        )
      }
      const server = new HttpFiles({
        files,
        signal: AbortSignal.any([signal, ends.signal]),
        onError: error => context.warn(printable(error.message)),
      })
      await server.listen(input.http.host === '' ? '127.0.0.1' : input.http.host, input.http.port)
      tell(context, server, files)
      if (player === undefined) {
        await untilAborted(signal)
        return 0
      }
      return await play(
        player,
        files.map(file => server.urlOf(file)),
        signal,
      )
    } finally {
      ends.abort()
      await client.close()
    }
  } finally {
    if (input.output === undefined) await rm(folder, { recursive: true, force: true })
  }
}

/** Those that match; without patterns the biggest one that can be played, else the biggest. */
function choose(files: readonly File[], patterns: readonly string[]): readonly File[] {
  const meant = filesMeant(files, patterns).filter(({ length }) => length > 0)
  if (patterns.length > 0) return meant
  const media = meant.filter(({ path }) => isMedia(path.at(-1)!))
  const [biggest] = (media.length > 0 ? media : meant).sort((a, b) => b.length - a.length)
  return biggest === undefined ? [] : [biggest]
}

function tell(context: Context, server: HttpFiles, files: readonly File[]): void {
  if (context.json) {
    context.printJson(
      files.map(file => ({
        url: server.urlOf(file),
        path: file.path.join('/'),
        length: file.length,
        infohash: file.torrent.infohash,
      })),
    )
  } else context.print(files.map(file => server.urlOf(file)).join('\n'))
}

/** A program with arguments, apart by blanks; no shell sees them. */
function wordsOf(command: string): readonly [program: string, ...words: string[]] {
  const [program, ...words] = command.split(' ').filter(word => word !== '')
  if (program === undefined) throw new UsageError('--player: expected the name of a program')
  return [program, ...words]
}

/** @returns the exit status: the player's own, 1 for one that a signal ended */
function play(
  [program, ...words]: readonly [string, ...string[]],
  urls: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  return new Promise((resolve, reject) => {
    // Its output is not ours: what we print stays the URLs alone.
    const child = spawn(program, [...words, ...urls], { stdio: ['inherit', 2, 2] })
    const end = (): void => void child.kill('SIGTERM')
    signal.addEventListener('abort', end, { once: true })
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new Error(
          `--player: cannot run ${program}: ${error.code === 'ENOENT' ? 'no such program' : error.message}`,
        ),
      )
    })
    child.once('close', status => {
      signal.removeEventListener('abort', end)
      resolve(signal.aborted ? 0 : (status ?? 1))
    })
    if (signal.aborted) end()
  })
}

/**
 * The bytes a command reads: of a file, of a URL, of standard input.
 *
 * Owns what `FILE`, `URL` and `-` mean on the command line. Must not judge the bytes.
 */

import { open } from 'node:fs/promises'
import type { Context } from './context.js'

/** More than any torrent file has. */
const MAX_BYTES = 256 * 1024 * 1024

/** What stands for a source in messages. */
export function inputLabel(source: string): string {
  return source === '-' ? 'standard input' : source
}

/**
 * Reads it all.
 *
 * @param source a path, an HTTP(S) or file URL, or `-`
 * @throws Error naming the source; ERR_TORRENTFS_ABORTED
 */
export async function readInput(context: Context, source: string): Promise<Uint8Array> {
  const { signal } = context
  if (source === '-') return gathered(context.stdin, source, signal)
  if (/^https?:\/\//i.test(source)) {
    if (!URL.canParse(source)) throw new Error(`${source} is not a URL`)
    const { fetchTorrentFile } = await import('../../torrent/index.js')
    return fetchTorrentFile(new URL(source), signal)
  }
  if (/^magnet:/i.test(source)) throw new Error('a magnet link is no file: use "torrent magnet" for it')
  const path = /^file:\/\//i.test(source) ? new URL(source) : source
  try {
    await using file = await open(path, 'r')
    if ((await file.stat()).isDirectory()) throw new Error('it is a folder')
    return await gathered(file.createReadStream({ autoClose: false }), source, signal)
  } catch (error) {
    throw new Error(`cannot read ${inputLabel(source)}: ${reasonOf(error)}`, { cause: error })
  }
}

async function gathered(
  stream: NodeJS.ReadableStream,
  source: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const parts: Buffer[] = []
  let length = 0
  const { addAbortSignal } = await import('node:stream')
  for await (const part of addAbortSignal(signal, stream as import('node:stream').Readable)) {
    parts.push(part as Buffer)
    length += (part as Buffer).length
    if (length > MAX_BYTES) throw new Error(`${inputLabel(source)} has more than ${MAX_BYTES} bytes`)
  }
  return Buffer.concat(parts)
}

/** `no such file or directory` of `ENOENT: no such file or directory, open 'x'`: the path is named already. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return /^E[A-Z0-9]+: (.*?), \w+/.exec(message)?.[1] ?? message
}

/**
 * Fetches a URL into a file, by an {@link Outlet}'s rules: bounded in time, bytes and redirects.
 *
 * Must not read what comes. Where the file goes, and whether it is any good, is for who asks.
 */
import { createWriteStream } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'

import { causedBy, messageOf, TorrentError } from '../errors.js'
import type { Outlet } from './outlet.js'
import { httpAgent, httpsAgent } from './outlet-agents.js'

export interface HttpDownloadOptions {
  readonly outlet: Outlet
  readonly userAgent?: string
  /** Bytes; what is longer is given up. Default: 256 MiB. */
  readonly maxBytes?: number
  /** For all of it, ms. Default: 5 minutes. */
  readonly timeoutMs?: number
}

const MAX_BYTES = 256 * 1024 * 1024
const TIMEOUT_MS = 5 * 60_000
const MAX_REDIRECTS = 5
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/**
 * Fetches a URL of http or https into a file.
 *
 * @throws ERR_TORRENTFS_CONNECTION, ERR_TORRENTFS_PROXY, ERR_TORRENTFS_TIMEOUT, ERR_TORRENTFS_ABORTED; the file may be
 * there in part then
 */
export async function downloadHttp(
  url: URL,
  path: string,
  signal: AbortSignal,
  o: HttpDownloadOptions,
): Promise<void> {
  const where = `${url.protocol}//${url.host}${url.pathname}`
  const timeoutMs = o.timeoutMs ?? TIMEOUT_MS
  const end = new AbortController()
  let late = false
  const timer = setTimeout(() => {
    late = true
    end.abort()
  }, timeoutMs)
  timer.unref()
  const abort = (): void => end.abort()
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    await save(await follow(url, end.signal, o), path, end.signal, o.maxBytes ?? MAX_BYTES)
  } catch (error) {
    if (late) throw new TorrentError('ERR_TORRENTFS_TIMEOUT', `${where}: not fetched in ${timeoutMs} ms`)
    if (signal.aborted) throw new TorrentError('ERR_TORRENTFS_ABORTED', `${where}: given up`)
    if (error instanceof TorrentError && error.code === 'ERR_TORRENTFS_PROXY') throw error
    throw causedBy(error, 'ERR_TORRENTFS_CONNECTION', `cannot fetch ${where}`)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

async function follow(start: URL, signal: AbortSignal, o: HttpDownloadOptions): Promise<IncomingMessage> {
  let url = start
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const message = await get(url, signal, o)
    const { statusCode: status = 0, headers } = message
    if (status === 200) return message
    message.destroy()
    if (!REDIRECTS.has(status) || headers.location === undefined) throw new Error(`HTTP status ${status}`)
    if (!URL.canParse(headers.location, url.href)) throw new Error('a redirect to nowhere')
    const next = new URL(headers.location, url)
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || url.protocol === 'https:'))
      throw new Error('a redirect to something else than https')
    url = next
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`)
}

function get(
  url: URL,
  signal: AbortSignal,
  { outlet, userAgent }: HttpDownloadOptions,
): Promise<IncomingMessage> {
  const headers = { Accept: '*/*', ...(userAgent === undefined ? {} : { 'User-Agent': userAgent }) }
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { agent: httpsAgent(outlet, { occasion: 'other' }), headers, signal })
        : httpRequest(url, { agent: httpAgent(outlet, { occasion: 'other' }), headers, signal })
    request.on('response', resolve)
    // Stays: an error after the answer has nobody to tell.
    request.on('error', reject)
    request.end()
  })
}

async function save(message: IncomingMessage, path: string, signal: AbortSignal, max: number): Promise<void> {
  let bytes = 0
  const counted = async function* (parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const part of parts) {
      bytes += part.length
      if (bytes > max) throw new Error(`more than ${max} bytes`)
      yield part
    }
  }
  try {
    await pipeline(message, counted, createWriteStream(path), { signal })
  } catch (error) {
    message.destroy()
    throw new Error(messageOf(error), { cause: error })
  }
}

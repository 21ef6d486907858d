/**
 * What an HTTP answer to a range request means for a web seed: bytes, another place, not this part, or not now.
 *
 * Owns which answers are believed (RFC 9110: 206, 200, 416, Content-Range, Retry-After). Every header is a stranger's.
 * Pure.
 */
import type { SeedRequest, WebSeedKind } from './seed-layout.js'

/** Headers with names in lower case; a header that comes twice is an array. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** What an answer means. */
export type Verdict =
  /** The body is `skip` bytes of no use, then `length` bytes from the first that was asked for. */
  | { readonly kind: 'body'; readonly skip: number; readonly length: number }
  | { readonly kind: 'redirect'; readonly location: string; readonly permanent: boolean }
  /** This seed does not have this part, or not as it should be. */
  | { readonly kind: 'unusable'; readonly reason: string }
  /** Not now. `afterMs`: when it may be asked again, if it said so. */
  | { readonly kind: 'later'; readonly reason: string; readonly afterMs: number | undefined }

/** Bytes before what is wanted that are taken and thrown away when a server gives a whole file for a part of it. */
export const MOST_SKIPPED = 1024 * 1024

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Refusals that say nothing about the file. */
const PASSING = new Set([408, 425, 429])

/** @param now ms since the epoch, for dates in `Retry-After` */
export function judgeAnswer(
  kind: WebSeedKind,
  request: SeedRequest,
  status: number,
  headers: AnswerHeaders,
  now: number,
): Verdict {
  const location = one(headers['location'])
  if (REDIRECTS.has(status) && location !== undefined) {
    return { kind: 'redirect', location, permanent: status === 301 || status === 308 }
  }
  if (status >= 500 || PASSING.has(status)) {
    return { kind: 'later', reason: `HTTP status ${status}`, afterMs: retryAfterMs(headers, now) }
  }
  if (status !== 200 && status !== 206) return { kind: 'unusable', reason: `HTTP status ${status}` }
  const coding = one(headers['content-encoding'])?.trim().toLowerCase() ?? 'identity'
  if (coding !== 'identity' && coding !== '')
    return { kind: 'unusable', reason: 'a compressed body, not asked for' }
  const length = lengthOf(headers)
  if (Number.isNaN(length)) return { kind: 'unusable', reason: 'a Content-Length that is none' }
  if (kind === 'pieces') return pieceBody(request, length)
  return status === 206 ? partBody(request, headers, length) : wholeBody(request, length)
}

/** BEP 17: the body is what was asked for, whatever the status says. */
function pieceBody(request: SeedRequest, length: number | undefined): Verdict {
  if (length !== undefined && length !== request.length) {
    return { kind: 'unusable', reason: `${length} bytes where ${request.length} were asked for` }
  }
  return { kind: 'body', skip: 0, length: request.length }
}

function partBody(request: SeedRequest, headers: AnswerHeaders, length: number | undefined): Verdict {
  const range = one(headers['content-range'])
  const match = /^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)\s*$/i.exec(range ?? '')
  if (match === null) return { kind: 'unusable', reason: 'a part without a Content-Range that can be read' }
  const [begin, last] = [Number(match[1]), Number(match[2])]
  if (match[3] !== '*' && Number(match[3]) !== request.total) {
    return { kind: 'unusable', reason: `a file of ${match[3]} bytes where ${request.total} are right` }
  }
  // A server may give less than was asked for, from the first byte on (RFC 9110, 14.4 and 15.3.7).
  if (begin !== request.first || last < begin || last >= request.first + request.length) {
    return {
      kind: 'unusable',
      reason: `bytes ${begin}-${last}, not ${request.first}-${request.first + request.length - 1}`,
    }
  }
  const given = last - begin + 1
  if (length !== undefined && length !== given) {
    return { kind: 'unusable', reason: `a body of ${length} bytes for a range of ${given}` }
  }
  return { kind: 'body', skip: 0, length: given }
}

/** The server knows no ranges: all of the file comes. */
function wholeBody(request: SeedRequest, length: number | undefined): Verdict {
  const total = request.total ?? 0
  if (length !== undefined && length !== total) {
    return { kind: 'unusable', reason: `a file of ${length} bytes where ${total} are right` }
  }
  if (request.first > MOST_SKIPPED) return { kind: 'unusable', reason: 'no ranges, the whole file alone' }
  return { kind: 'body', skip: request.first, length: total - request.first }
}

/** When to ask again, ms from now; undefined when the answer does not say so in a way that can be read. */
export function retryAfterMs(headers: AnswerHeaders, now: number): number | undefined {
  const text = one(headers['retry-after'])?.trim()
  if (text === undefined || text === '') return undefined
  if (/^\d+$/.test(text)) return Number(text) * 1000
  // Else a date of HTTP; a date parser would take much that is none.
  const isDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
  const date = isDate ? Date.parse(text) : NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** The length of the body; undefined when it is not told, NaN when what is told is no length. */
function lengthOf(headers: AnswerHeaders): number | undefined {
  const text = headers['content-length']
  if (text === undefined) return undefined
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : NaN
}

function one(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' || header === undefined ? header : header[0]
}

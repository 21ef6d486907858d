/**
 * The HTTP tracker protocol from the tracker's side: query strings in, bencoded dictionaries out (BEP 3, 7, 23, 31, 48).
 *
 * Owns how they are read and written. `ip`, `ipv4` and `ipv6` are not read: who could name another's address could send
 * a whole swarm there. Pure.
 */
import { encodeBencode } from '../metainfo/bencode.js'
import type { AnnounceEvent, ScrapeEntry } from '../discovery/announce.js'
import { decodeIp } from '../discovery/compact-addresses.js'
import type { PeerAnswer } from './swarm-register.js'

/** An announce as its query tells it. */
export interface HttpAnnounce {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  readonly port: number
  readonly left: number
  readonly event: AnnounceEvent | undefined
  readonly numWant: number | undefined
  /** Wants addresses as bytes (BEP 23), as all do that do not say otherwise. */
  readonly compact: boolean
}

/** What stands in an answer beside the peers. */
export interface HttpAnswerOptions {
  readonly compact: boolean
  readonly intervalMs: number
  readonly minIntervalMs: number
}

const EVENTS: readonly AnnounceEvent[] = ['started', 'completed', 'stopped', 'paused']
/** Parameters looked at; an announce has some 15. */
const MAX_PARAMETERS = 100

/** Infohashes of one scrape that are answered. */
export const MAX_SCRAPED = 64

/** Reads the query of an announce (without `?`); a text says what it lacks. */
export function parseHttpAnnounce(query: string): HttpAnnounce | string {
  let infohash: Uint8Array | undefined
  const fields = new Map<string, string>()
  for (const [name, value] of parametersOf(query)) {
    if (name === 'info_hash') infohash ??= bytesOf(value)
    else if (!fields.has(name)) fields.set(name, value)
  }
  if (infohash?.length !== 20) return 'info_hash is not 20 bytes'
  const port = wholeNumber(fields.get('port'))
  if (port === undefined || port < 1 || port > 65535) return 'port is none in 1 to 65535'
  return {
    infohash,
    port,
    // Who does not say is no seeder.
    left: wholeNumber(fields.get('left')) ?? 1,
    event: EVENTS.find(event => event === fields.get('event')),
    numWant: wholeNumber(fields.get('numwant')),
    compact: fields.get('compact') !== '0',
  }
}

/** The infohashes (20 bytes each) that the query of a scrape names. */
export function parseHttpScrape(query: string): Uint8Array[] {
  const infohashes: Uint8Array[] = []
  for (const [name, value] of parametersOf(query)) {
    if (name !== 'info_hash' || infohashes.length === MAX_SCRAPED) continue
    const infohash = bytesOf(value)
    if (infohash.length === 20) infohashes.push(infohash)
  }
  return infohashes
}

/** The answer to an announce. Without `compact`, peers are dictionaries without a peer id: it tells nobody anything. */
export function encodeHttpAnnounce(answer: PeerAnswer, o: HttpAnswerOptions): Uint8Array {
  const compact4 = answer.addresses.filter(address => address.length === 6)
  const compact6 = answer.addresses.filter(address => address.length === 18)
  return encodeBencode({
    complete: answer.seeders,
    downloaded: answer.downloads,
    incomplete: answer.leechers,
    interval: Math.round(o.intervalMs / 1000),
    'min interval': Math.round(o.minIntervalMs / 1000),
    peers: o.compact ? Buffer.concat(compact4) : answer.addresses.map(dictionaryOf),
    peers6: o.compact && compact6.length > 0 ? Buffer.concat(compact6) : undefined,
  })
}

/** The answer to a scrape. */
export function encodeHttpScrape(entries: readonly ScrapeEntry[]): Uint8Array {
  const files = new Map(
    entries.map(({ infohash, seeders, leechers, downloads }) => [
      Buffer.from(infohash, 'hex').toString('latin1'),
      { complete: seeders, downloaded: downloads, incomplete: leechers },
    ]),
  )
  return encodeBencode({ files })
}

/** A refusal. @param never that it will be another is not to be hoped for (BEP 31) */
export function encodeHttpFailure(reason: string, never = false): Uint8Array {
  return encodeBencode({ 'failure reason': reason, 'retry in': never ? 'never' : undefined })
}

/** Names and values of a query, one character a byte. */
function* parametersOf(query: string): Generator<[name: string, value: string], void, undefined> {
  for (const parameter of query.split('&', MAX_PARAMETERS)) {
    const equals = parameter.indexOf('=')
    if (equals > 0) yield [unescaped(parameter.slice(0, equals)), unescaped(parameter.slice(equals + 1))]
  }
}

/** Percent-encoded bytes; what is no such encoding stays as it is. */
function unescaped(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0))
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,19}$/.test(text) ? Number(text) : undefined
}

function dictionaryOf(address: Uint8Array): { ip: string; port: number } {
  const end = address.length - 2
  return { ip: decodeIp(address.subarray(0, end))!, port: (address[end]! << 8) | address[end + 1]! }
}

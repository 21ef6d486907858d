/**
 * Tracker URLs: which are usable, and what is derived from them (BEP 3, 15, 48).
 *
 * Owns the rules for text that comes from torrents and magnets, so from anyone. Pure.
 */

/** Longest URL taken; passkeys need far less. */
const MAX_LENGTH = 2048

/**
 * Parses a tracker's URL.
 *
 * @returns undefined unless it is an http, https or udp one with a host and, for udp, a port
 */
export function parseTrackerUrl(text: string): URL | undefined {
  if (text.length > MAX_LENGTH || !URL.canParse(text.trim())) return undefined
  const url = new URL(text.trim())
  const udp = url.protocol === 'udp:'
  if (!udp && url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  if (url.hostname === '' || (udp && (url.port === '' || url.port === '0'))) return undefined
  url.hash = ''
  return url
}

/**
 * How a tracker is named in messages and by the limiter: scheme and host. Paths and queries hold passkeys, user names
 * hold passwords: they are the user's secrets and stay out of logs.
 */
export function trackerLabel(url: URL): string {
  return `${url.protocol}//${url.host}`
}

/** The host as a resolver or socket wants it: IPv6 literals without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}

/** The URL of an HTTP tracker's scrape: `announce` at the start of the last path segment replaced, else undefined. */
export function scrapeUrlOf(url: URL): URL | undefined {
  const slash = url.pathname.lastIndexOf('/') + 1
  if (!url.pathname.startsWith('announce', slash)) return undefined
  const scrape = new URL(url)
  scrape.pathname = `${url.pathname.slice(0, slash)}scrape${url.pathname.slice(slash + 'announce'.length)}`
  return scrape
}

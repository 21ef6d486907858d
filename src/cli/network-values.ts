/**
 * What the values of flags may look like that the engine itself has to judge: blocklists and proxies.
 *
 * Pure. Each parser throws an Error whose message says what was expected.
 */

import { checkBlocklistSource, parseProxyUrl } from '../torrent/index.js'
import { parseFolder } from './flag-values.js'

/** The path of a blocklist, made absolute, or its URL. */
export function parseBlocklist(text: string): string {
  checkBlocklistSource(text)
  return /^https?:\/\//i.test(text) ? text : parseFolder(text)
}

/** The URL of a proxy, as given. */
export function parseProxy(text: string): string {
  parseProxyUrl(text)
  return text
}

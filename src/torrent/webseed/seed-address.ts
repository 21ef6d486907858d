/**
 * Where a web seed is: its URL, and what of it is secret.
 *
 * Owns taking credentials out of URLs, so that they reach that server alone and no log. Pure.
 */
import { webSeedUrl } from '../metainfo/addresses.js'

export interface SeedAddress {
  /** Without credentials and fragment. */
  readonly url: URL
  /** Where credentials may be sent, and the value of their header; undefined without any. */
  readonly credentials: { readonly origin: string; readonly authorization: string } | undefined
  /** For logs and status: without credentials; a query is only hinted at, since it may hold a token. */
  readonly label: string
  /** The user named it, not the torrent's author. */
  readonly trusted: boolean
}

/** @returns undefined when the text is no HTTP(S) URL */
export function seedAddress(text: string, trusted = false): SeedAddress | undefined {
  const checked = webSeedUrl(text)
  if (checked === undefined) return undefined
  const url = new URL(checked)
  const name = decoded(url.username)
  const password = decoded(url.password)
  url.username = url.password = url.hash = ''
  const secret = Buffer.from(`${name}:${password}`).toString('base64')
  return {
    url,
    credentials:
      name === '' && password === '' ? undefined : { origin: url.origin, authorization: `Basic ${secret}` },
    label: `${url.origin}${url.pathname}${url.search === '' ? '' : '?...'}`,
    trusted,
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not percent-encoded after all.
    return text
  }
}

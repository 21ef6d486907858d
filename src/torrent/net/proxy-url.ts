/**
 * What a proxy is called: `socks5://user:password@host:port`, `http://host:port`.
 *
 * Owns which proxies are understood. Pure: nothing is looked up or contacted.
 */
import { TorrentError } from '../errors.js'
import type { HostPort } from '../metainfo/addresses.js'

/** A proxy to go through. */
export interface ProxyServer extends HostPort {
  /** `http` uses CONNECT. */
  readonly kind: 'socks5' | 'http'
  readonly user?: string
  readonly password?: string
  /** How it is named in logs and errors: without the password. */
  readonly label: string
}

/** A SOCKS5 user name or password has one byte for its length (RFC 1929). */
const MAX_CREDENTIAL_BYTES = 255
/** `socks5h` says that the proxy resolves names. It always does here: looking them up ourselves would leak them. */
const KINDS: Readonly<Record<string, ProxyServer['kind']>> = {
  'socks5:': 'socks5',
  'socks5h:': 'socks5',
  'http:': 'http',
}
const DEFAULT_PORTS: Readonly<Record<ProxyServer['kind'], number>> = { socks5: 1080, http: 80 }

/**
 * Reads the URL of a proxy. What is special in a user name or password is percent-encoded.
 *
 * @throws ERR_TORRENTFS_ARGUMENT saying what is wrong; never with the password in it
 */
export function parseProxyUrl(text: string): ProxyServer {
  if (!URL.canParse(text)) throw wrong('expected socks5://host:port or http://host:port')
  const url = new URL(text)
  const kind = KINDS[url.protocol]
  if (kind === undefined) throw wrong(`${url.protocol}// is no kind of proxy known: socks5, socks5h or http`)
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : decode(url.hostname)
  if (host === '') throw wrong('the host is missing')
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw wrong('nothing may follow the port')
  const port = url.port === '' ? DEFAULT_PORTS[kind] : Number(url.port)
  if (port === 0) throw wrong('0 is no port')
  const user = decode(url.username)
  const password = decode(url.password)
  if (user === '' && password !== '') throw wrong('a password without a user name')
  for (const part of [user, password])
    if (Buffer.byteLength(part) > MAX_CREDENTIAL_BYTES)
      throw wrong(`a user name or password of more than ${MAX_CREDENTIAL_BYTES} bytes`)
  return {
    kind,
    host,
    port,
    label: `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ...(user === '' ? {} : { user, password }),
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw wrong('a % that encodes nothing')
  }
}

function wrong(what: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `proxy: ${what}`)
}

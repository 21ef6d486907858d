/**
 * What a client shows of itself and lets in, by its options: the one place that says what `proxy` and `anonymous` forbid.
 *
 * Pure. Who opens a socket or says a name asks here first.
 */
import { randomBytes } from 'node:crypto'

import { CLIENT_NAME, PEER_ID_PREFIX, type ClientOptions } from './config.js'

export interface Exposure {
  /** Peers may connect to us: there is a listening port, TCP and UDP. */
  readonly incoming: boolean
  /** Datagrams may be sent: UDP trackers, DHT, uTP. */
  readonly datagrams: boolean
  /** We may tell the local network of our torrents (BEP 14). */
  readonly localDiscovery: boolean
  /** Routers may be asked to let peers in. */
  readonly portMapping: boolean
  /** What peers are told that we are, also the DHT; undefined: nothing. */
  readonly clientName: string | undefined
  /** `User-Agent` for trackers and web seeds; undefined: none. */
  readonly userAgent: string | undefined
}

export const USER_AGENT = CLIENT_NAME.replace(' ', '/')
const PEER_ID_LENGTH = 20

/** What follows from the options. */
export function exposureOf(options: ClientOptions): Exposure {
  const anonymous = options.anonymous === true
  const proxied = options.proxy !== undefined
  return {
    // What a proxy carries goes out from it; who connects to us would see where we are.
    incoming: !proxied,
    datagrams: !proxied,
    localDiscovery: !proxied && !anonymous,
    portMapping: !proxied && !anonymous && options.disablePortMapping !== true,
    clientName: anonymous ? undefined : CLIENT_NAME,
    userAgent: anonymous ? undefined : USER_AGENT,
  }
}

/**
 * A new peer id, 20 bytes: ours by its beginning (BEP 20), or chance alone. An anonymous client has one for each torrent,
 * since one for all would tell that they are read by the same.
 */
export function makePeerId(anonymous: boolean): Uint8Array {
  if (anonymous) return randomBytes(PEER_ID_LENGTH)
  const prefix = Buffer.from(PEER_ID_PREFIX)
  return Buffer.concat([prefix, randomBytes(PEER_ID_LENGTH - prefix.length)])
}

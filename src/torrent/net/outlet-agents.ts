/**
 * Agents for `node:http` and `node:https` whose connections go out by an {@link Outlet}'s rules.
 *
 * Own no rule themselves. Request options `lookup` and `family` are heeded where names are resolved here.
 */
import { Agent as HttpAgent, type AgentOptions } from 'node:http'
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import type { LookedUp } from './host-lookup.js'
import type { BlockedOccasion } from './ip-filter.js'
import type { Outlet, OutgoingOptions } from './outlet.js'

/** What an agent is asked for; the options of the request are among it. */
interface ConnectionWish {
  readonly host?: string | null
  readonly port?: number | string | null
  readonly family?: number
  readonly lookup?: LookupFunction
  readonly signal?: AbortSignal
}
type Callback = (error: Error | null, socket?: Duplex) => void

/** What https agents make of a socket. */
interface TlsMaker {
  createConnection(options: object, callback?: Callback): Duplex
}

export interface OutletAgentOptions extends AgentOptions {
  /** What for, where the blocklist counts. */
  readonly occasion: BlockedOccasion
}

/** An agent for http. */
export function httpAgent(outlet: Outlet, { occasion, ...options }: OutletAgentOptions): HttpAgent {
  const agent = new HttpAgent(options)
  return Object.assign(agent, {
    createConnection(wish: ConnectionWish, callback: Callback): undefined {
      open(outlet, wish, occasion, 80).then(
        // Whom an agent gives a socket to listens to it, and does not think of its being paused.
        socket => callback(null, socket.resume()),
        (error: Error) => callback(error),
      )
    },
  })
}

/** An agent for https: TLS over what the outlet gives, checked against the host's name as ever. */
export function httpsAgent(
  outlet: Outlet,
  { occasion, ...options }: OutletAgentOptions & HttpsAgentOptions,
): HttpsAgent {
  const agent = new HttpsAgent(options)
  const overTls = (agent as unknown as TlsMaker).createConnection.bind(agent)
  return Object.assign(agent, {
    createConnection(wish: ConnectionWish, callback: Callback): undefined {
      open(outlet, wish, occasion, 443).then(
        socket => callback(null, overTls({ ...wish, socket })),
        (error: Error) => callback(error),
      )
    },
  })
}

function open(
  outlet: Outlet,
  wish: ConnectionWish,
  occasion: BlockedOccasion,
  port: number,
): Promise<Socket> {
  const { lookup, family, signal } = wish
  const options: OutgoingOptions = {
    occasion,
    ...(signal === undefined ? {} : { signal }),
    ...(family === 4 || family === 6 ? { family } : {}),
    ...(lookup === undefined ? {} : { lookup: (host: string) => lookUp(lookup, host, family) }),
  }
  return outlet.connect({ host: wish.host ?? 'localhost', port: Number(wish.port ?? port) }, options)
}

function lookUp(lookup: LookupFunction, host: string, family = 0): Promise<LookedUp[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true, family }, (error, found, foundFamily) => {
      if (error !== null) return reject(error)
      const all = typeof found === 'string' ? [{ address: found, family: foundFamily ?? 4 }] : found
      resolve(all.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })))
    })
  })
}

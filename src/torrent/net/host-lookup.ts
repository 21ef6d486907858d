/**
 * Names to addresses, by the system's resolver, or from the bound interface when there is one.
 *
 * Owns which name servers are asked. Holds nothing and caches nothing.
 */
import { lookup as systemLookup } from 'node:dns'
import { getServers, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'

import type { BoundInterface } from './bound-interface.js'

export interface LookedUp {
  readonly address: string
  readonly family: 4 | 6
}

/** Looks a name up: every address it has, best first. @throws an Error when it has none */
export type LookupHost = (host: string) => Promise<readonly LookedUp[]>

const TIMEOUT_MS = 5000
const TRIES = 2

/**
 * Looks a name up.
 *
 * @param bound - Name servers are asked from its addresses. One on this machine (systemd-resolved, dnsmasq) is asked as
 * every program does: how it asks further is its own affair.
 * @throws an Error when the name has no address
 */
export async function lookupHost(host: string, bound?: BoundInterface): Promise<readonly LookedUp[]> {
  if (bound === undefined || getServers().every(isLocalServer)) return await lookupBySystem(host)
  const ipv4 = bound.address(4)
  const ipv6 = bound.address(6)
  if (ipv4 === undefined && ipv6 === undefined) throw new Error(`the interface ${bound.name} has no address`)
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  resolver.setServers(getServers().filter(server => (serverFamily(server) === 6 ? ipv6 : ipv4) !== undefined))
  resolver.setLocalAddress(ipv4 ?? '0.0.0.0', ipv6 ?? '::')
  const answers = await Promise.allSettled([
    ipv4 === undefined ? [] : resolver.resolve4(host),
    ipv6 === undefined ? [] : resolver.resolve6(host),
  ])
  const found = answers.flatMap((answer, i): LookedUp[] =>
    answer.status === 'fulfilled' ? answer.value.map(address => ({ address, family: i === 0 ? 4 : 6 })) : [],
  )
  if (found.length > 0) return found
  const reason = answers.find(answer => answer.status === 'rejected')
  throw reason?.reason instanceof Error ? reason.reason : new Error(`${host} has no address`)
}

function lookupBySystem(host: string): Promise<readonly LookedUp[]> {
  return new Promise((resolve, reject) => {
    systemLookup(host, { all: true }, (error, addresses) => {
      if (error !== null) reject(error)
      else resolve(addresses.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })))
    })
  })
}

/** `1.2.3.4`, `1.2.3.4:53`, `::1` or `[::1]:53`. */
function hostOfServer(server: string): string {
  if (isIP(server) !== 0) return server
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(server)
  return bracketed?.[1] ?? server.replace(/:\d+$/, '')
}

function serverFamily(server: string): number {
  return isIP(hostOfServer(server))
}

function isLocalServer(server: string): boolean {
  const host = hostOfServer(server)
  return host === '::1' || host.startsWith('127.')
}

/**
 * Finds the router that lets peers in: first the next router by NAT-PMP, then whatever answers to UPnP.
 *
 * Owns from which of our addresses to ask. Only from private ones: who has a public one needs no mapping.
 */
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

import type { BoundInterface } from './bound-interface.js'
import { realmOf } from './ip-address.js'
import { defaultRouter, NatPmpGateway } from './nat-pmp.js'
import type { PortGateway } from './port-mapping.js'
import { findUpnpGateway } from './upnp.js'

export interface FindPortGatewayOptions {
  /** Where peers are listened for; empty for every address. */
  readonly host: string
  readonly bound: BoundInterface | undefined
  readonly signal: AbortSignal
}

/** A machine of containers has dozens of networks, none of which leads to a router. */
const MAX_ADDRESSES = 4

/** @returns undefined when there is none @throws ERR_TORRENTFS_ABORTED */
export async function findPortGateway(o: FindPortGatewayOptions): Promise<PortGateway | undefined> {
  const locals = localAddresses(o)
  if (locals.length === 0) return undefined
  const router = await defaultRouter(deviceOf(locals[0]!, o.bound))
  if (router !== undefined && realmOf(router) === 'private') {
    const gateway = new NatPmpGateway({ router, localAddress: o.bound?.address(4) })
    try {
      await gateway.externalAddress(o.signal)
      return gateway
    } catch (error) {
      if (o.signal.aborted) throw error
    }
  }
  for (const local of locals) {
    const gateway = await findUpnpGateway(local, o.signal)
    if (gateway !== undefined) return gateway
  }
  return undefined
}

function localAddresses({ host, bound }: FindPortGatewayOptions): readonly string[] {
  const own = bound?.address(4)
  const all =
    bound !== undefined
      ? own === undefined ? [] : [own] // prettier-ignore
      : host !== ''
        ? [host]
        : Object.values(networkInterfaces()).flatMap(
            addresses => addresses?.filter(({ internal }) => !internal).map(({ address }) => address) ?? [],
          )
  return all.filter(address => isIP(address) === 4 && realmOf(address) === 'private').slice(0, MAX_ADDRESSES)
}

/** With a bound interface only its own router will do. */
function deviceOf(address: string, bound: BoundInterface | undefined): string | undefined {
  if (bound === undefined) return undefined
  for (const [name, addresses] of Object.entries(networkInterfaces()))
    if (addresses?.some(own => own.address === address) === true) return name
  return bound.name
}

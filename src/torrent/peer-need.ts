/**
 * How much a torrent needs peers. Pure.
 */
import type { Need } from './discovery/dht/searches.js'

/** With fewer peers than this, who wants something looks for more. */
const FEW_PEERS = 5

/** What is looked at of a torrent whose storage is open. */
export interface Wanting {
  readonly wantsPeers: boolean
  readonly waitingReads: number
}

/** @param core undefined before the storage is open */
export function needOfPeers(hasMetadata: boolean, core: Wanting | undefined, peers: number): Need {
  if (peers >= FEW_PEERS) return 0
  if (core === undefined) return hasMetadata ? 0 : 1
  if (!core.wantsPeers) return 0
  return core.waitingReads > 0 ? 2 : 1
}

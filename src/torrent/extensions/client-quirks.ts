/**
 * What programs do otherwise than they say, where it matters to us.
 *
 * Pure. Each quirk names the program, the versions it was seen in and what happens without it.
 */
import type { ExtensionHandshake } from '../wire/extension.js'

/**
 * anacrolix/torrent (seen in 1.59.1) reserves 1 MiB for the blocks it is asked for, in the order of asking, but serves them in
 * no order. With more outstanding it soon waits for a reservation that those before it hold, and never sends again,
 * although it announces a queue of 1,024.
 */
const GO_CLIENT = /anacrolix\/torrent|^Go\.Torrent/
const GO_REQUESTS = 64

/** How many requests the sender of an extension handshake takes; undefined when it did not say. */
export function takenRequests({ client, requestQueue }: ExtensionHandshake): number | undefined {
  if (client !== undefined && GO_CLIENT.test(client))
    return Math.min(requestQueue ?? GO_REQUESTS, GO_REQUESTS)
  return requestQueue
}

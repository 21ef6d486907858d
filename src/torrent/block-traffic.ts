/**
 * What a swarm's connections carry beside words: blocks, and room for more. It goes to the engine, once there is one.
 */
import type { SwarmEvents } from './swarm.js'
import type { TorrentEngine } from './torrent-engine.js'

/** The events of a swarm that are the engine's alone. */
export function blockTraffic(
  engine: () => TorrentEngine | undefined,
): Pick<SwarmEvents, 'blockTarget' | 'block' | 'turn' | 'drain' | 'state'> {
  return {
    blockTarget: ({ number }, piece, begin, length) =>
      engine()?.blockTarget(number, piece, begin, length) ?? null,
    block: ({ number }, piece, begin, length, kept) => engine()?.block(number, piece, begin, length, kept),
    turn: ({ number }) => engine()?.turn(number),
    drain: ({ number }) => engine()?.drained(number),
    state: ({ number }) => engine()?.core.peer(number),
  }
}

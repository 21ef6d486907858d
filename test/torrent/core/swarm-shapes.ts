/**
 * The peers of swarms as they are met: few and fast, many and slow, near, far, unreliable.
 *
 * Owns the distributions. Everything follows from the numbers given.
 */
import { BLOCK_LENGTH } from '../../../src/torrent/pieces/geometry.js'
import type { PeerTraits } from './simulated-peer.js'

const KB = 1000
const MB = 1000 * KB
const KIB = 1024

/** Rates between `least` and `most` bytes/s, few large ones among many small ones (a bounded Pareto distribution). */
export function heavyTailed(random: () => number, least: number, most: number, alpha = 1): number {
  const share = random()
  const low = least ** alpha
  const high = most ** alpha
  return (-(share * high - share * low - high) / (high * low)) ** (-1 / alpha)
}

/** A peer over the internet: slow start, jitter, a rate that varies, blocks in its socket. */
export function internetPeer(latencyMs: number, rate: number): PeerTraits {
  return {
    latencyMs,
    rate,
    slowStart: true,
    jitterMs: latencyMs / 4,
    varies: 0.3,
    socketBytes: rate < 200 * KB ? 32 * KIB : 128 * KIB,
    requestQueue: 250,
  }
}

/** `count` peers at `rttMs`, 20 KB/s to 2 MB/s each. */
export function manyPeers(random: () => number, count: number, rttMs: number): PeerTraits[] {
  return Array.from({ length: count }, () => {
    const latencyMs = (rttMs / 2) * (0.8 + 0.4 * random())
    return internetPeer(latencyMs, heavyTailed(random, 20 * KB, 2 * MB))
  })
}

/** The same peers with their rates multiplied so that all together send `total` bytes/s. */
export function scaledTo(peers: readonly PeerTraits[], total: number): PeerTraits[] {
  const factor = total / totalRate(peers)
  return peers.map(peer => ({ ...peer, rate: peer.rate * factor }))
}

/** As real swarms are: of ten peers one or two choke, stall, lack pieces, come late, leave, forget or keep silent. */
export function unreliable(random: () => number, peers: readonly PeerTraits[]): PeerTraits[] {
  return peers.map(peer => {
    const share = random()
    const reqq = random()
    return {
      ...peer,
      fast: random() < 0.8,
      requestQueue: reqq < 0.1 ? 5 : reqq < 0.3 ? 50 : reqq < 0.8 ? 250 : 2000,
      ...(random() < 0.2 ? { stallEveryMs: 5000 + 20_000 * random(), stallMs: 5000 } : {}),
      ...(random() < 0.2
        ? { chokeEveryMs: 5000 + 20_000 * random(), chokeForMs: 2000 + 10_000 * random() }
        : {}),
      ...(random() < 0.2 ? { has: (piece: number) => (piece * 7919) % 100 < share * 100 } : {}),
      ...(random() < 0.3 ? { joinsAfterMs: 20_000 * random() } : {}),
      ...(random() < 0.2 ? { leavesAfterMs: 30_000 * random() } : {}),
      ...(random() < 0.05 ? { forgets: 0.05 } : {}),
      ...(random() < 0.1 ? { unwilling: true } : {}),
      ...(random() < 0.03 ? { silent: true } : {}),
    }
  })
}

/** A source like a web seed: it never chokes, and takes few requests at a time. */
export function webSeedLike(latencyMs: number, rate: number): PeerTraits {
  return { ...internetPeer(latencyMs, rate), requestQueue: 32, varies: 0.2 }
}

/** Bytes/s of all peers together. */
export function totalRate(peers: readonly PeerTraits[]): number {
  return peers.reduce(
    (sum, peer) => sum + (peer.silent === true || peer.unwilling === true ? 0 : peer.rate),
    0,
  )
}

/**
 * How soon `bytes` could be here if it were known what each peer can do, in ms after the first request.
 *
 * @param cold - No peer has sent anything yet: their TCPs begin slowly, and they must be asked to unchoke us first.
 */
export function floorMs(peers: readonly PeerTraits[], bytes: number, cold: boolean): number {
  const blocks = Math.ceil(bytes / BLOCK_LENGTH)
  const arrivals: number[] = []
  for (const peer of peers) {
    if (peer.silent === true || peer.unwilling === true || peer.joinsAfterMs !== undefined) continue
    let window = peer.slowStart === true && cold ? 14_600 : Infinity
    let at = (cold ? 4 : 2) * peer.latencyMs
    for (let block = 0; block < blocks; block++) {
      const allowed = (window * 1000) / (2 * peer.latencyMs)
      at += (BLOCK_LENGTH * 1000) / Math.min(peer.rate, allowed)
      if (allowed < peer.rate) window += BLOCK_LENGTH
      arrivals.push(at)
    }
  }
  arrivals.sort((a, b) => a - b)
  return arrivals[blocks - 1] ?? Infinity
}

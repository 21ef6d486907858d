/**
 * How far transfers are: counts, bytes, rates.
 *
 * Owns the last looks at them, from which rates come. Must not print.
 */

import type { Transfer } from './transfer.js'

/** One torrent at one time. */
export interface TransferFigures {
  readonly transfer: Transfer
  /** Bytes that are meant, and those of them that are stored. */
  readonly wanted: number
  readonly stored: number
  /** Payload bytes/s. */
  readonly rate: number
  readonly peers: number
  readonly uploaded: number
  /** ms until all that is meant is here, at this rate; infinite when nothing comes. */
  readonly leftMs: number
}

/** All of them together. */
export interface AllFigures {
  readonly each: readonly TransferFigures[]
  readonly torrents: number
  /** Torrents whose metadata is known. */
  readonly infos: number
  readonly wanted: number
  readonly stored: number
  readonly rate: number
  readonly uploaded: number
}

/** How much a new look counts for a rate: some five looks until an old one is forgotten. */
const SHARE = 0.35

interface Look {
  at: number
  received: number
  rate: number
}

/** Looks at transfers from time to time. */
export class FigureKeeper {
  readonly #looks = new Map<Transfer, Look>()
  readonly #began: number

  /** @param now ms of the clock of {@link look} */
  constructor(now: number) {
    this.#began = now
  }

  /** @param now ms of any clock that does not run back */
  look(transfers: readonly Transfer[], now: number): AllFigures {
    const each: TransferFigures[] = []
    const seen = new Set<string>()
    for (const transfer of transfers) {
      const { torrent } = transfer
      // Two sources may name the same torrent.
      if (torrent === undefined || transfer.state === 'failed' || seen.has(torrent.infohash)) continue
      seen.add(torrent.infohash)
      each.push(this.#figures(transfer, torrent.status(), now))
    }
    const sum = (of: (figures: TransferFigures) => number): number =>
      each.reduce((total, figures) => total + of(figures), 0)
    return {
      each,
      torrents: each.length,
      infos: each.filter(({ transfer }) => transfer.torrent?.info !== undefined).length,
      wanted: sum(({ wanted }) => wanted),
      stored: sum(({ stored }) => stored),
      rate: sum(({ rate }) => rate),
      uploaded: sum(({ uploaded }) => uploaded),
    }
  }

  #figures(
    transfer: Transfer,
    status: {
      readonly usefulBytes: number
      readonly uploadedBytes: number
      readonly peers: readonly unknown[]
    },
    now: number,
  ): TransferFigures {
    const { wanted, stored } = transfer
    const rate = this.#rate(transfer, status.usefulBytes, now)
    const left = wanted - stored
    return {
      transfer,
      wanted,
      stored,
      rate,
      peers: status.peers.length,
      uploaded: status.uploadedBytes,
      leftMs: left === 0 ? 0 : rate === 0 ? Infinity : (left / rate) * 1000,
    }
  }

  #rate(transfer: Transfer, received: number, now: number): number {
    const look = this.#looks.get(transfer) ?? { at: this.#began, received: 0, rate: 0 }
    this.#looks.set(transfer, look)
    const ms = now - look.at
    if (ms <= 0) return look.rate
    const latest = ((received - look.received) / ms) * 1000
    const rate = look.rate === 0 ? latest : look.rate * (1 - SHARE) + latest * SHARE
    // What is left of a rate when nothing comes any more is none.
    look.rate = latest === 0 && rate < 1024 ? 0 : Math.round(rate)
    look.at = now
    look.received = received
    return look.rate
  }
}

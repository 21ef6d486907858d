/**
 * What a torrent does about what its engine tells it: counts what is stored, tells peers, trackers and listeners.
 *
 * Owns nothing: it joins the torrent's parts.
 */
import type { TorrentError } from './errors.js'
import { hooks } from './hooks.js'
import type { Logger } from './logger.js'
import type { OpenedTorrent } from './opened-torrent.js'
import type { Torrent } from './torrent.js'
import type { EngineOwner } from './torrent-engine.js'
import type { TorrentPeers } from './torrent-peers.js'

/** The parts of a torrent. */
export interface EngineOwnerParts {
  readonly torrent: Torrent
  readonly peers: TorrentPeers
  /** Undefined until the engine is there. */
  readonly opened: () => OpenedTorrent | undefined
  readonly logger: Logger
  readonly warn: (error: TorrentError) => void
  /** Superseeding begins once everything is stored. */
  readonly superSeed: () => void
}

export function engineOwner(o: EngineOwnerParts): EngineOwner {
  const { torrent, peers } = o
  const lose = (piece: number): void => {
    o.opened()?.storedBytes.remove(piece)
    peers.talk.pieceLost(piece)
  }
  const changed = (piece: number): void => {
    o.opened()?.changed(piece)
    if (torrent.listenerCount('piece') > 0) torrent.emit('piece', piece, torrent.pieceState(piece))
  }
  return {
    dropPeer: (peer, reason, ban) => peers.drop(peer, reason, ban),
    changed,
    stored: piece => {
      o.opened()?.storedBytes.add(piece)
      hooks.pieceStored.publish(() => ({ torrent, piece }))
      torrent.emit('stored', piece)
    },
    failed: piece => hooks.pieceFailed.publish(() => ({ torrent, piece })),
    doubted: piece => {
      lose(piece)
      changed(piece)
      hooks.pieceDoubted.publish(() => ({ torrent, piece }))
      torrent.emit('doubted', piece)
    },
    evicted: (piece, stored) => {
      // A suspect piece was not counted, and peers were not told of it.
      if (stored) lose(piece)
      changed(piece)
      hooks.pieceEvicted.publish(() => ({ torrent, piece }))
      torrent.emit('evicted', piece)
    },
    complete: () => {
      if (o.opened()?.engine.stored.full === true) peers.sources.completed()
      o.superSeed()
      hooks.torrentComplete.publish(() => ({ torrent }))
      torrent.emit('complete')
    },
    storageState: error => {
      if (error !== undefined) o.warn(error)
      else o.logger.info({ torrent: torrent.name }, 'storing works again')
    },
    wantsChanged: () => peers.wantsChanged(),
  }
}

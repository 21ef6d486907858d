/**
 * The public surface of the metainfo folder's watch.
 *
 * @module torrentfs/watch
 */
/// <reference types="node" preserve="true" />

export { MetainfoWatcher } from './metainfo-watcher.js'
export type { MetainfoWatcherOptions, WatchStatus, WatchTimes } from './metainfo-watcher.js'
export type { MetainfoSource, SourceOrigin, TorrentPort } from './ports.js'

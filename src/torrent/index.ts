/**
 * The library's public surface: the engine, without FUSE and without a command line.
 */
export { Client, type TorrentSource } from './client.js'
export { DEFAULT_READAHEAD_BYTES, type ClientOptions } from './config.js'
export { createTorrent } from './create.js'
export { messageOf, TorrentError, type TorrentErrorCode } from './errors.js'
export { File, type ReaderOptions } from './file.js'
export { silentLogger, type Logger } from './logger.js'
export type { Info, InfoFile } from './metainfo/info.js'
export { formatMagnet, parseMagnet, type Magnet } from './metainfo/magnet.js'
export { parseMetainfo, type Metainfo } from './metainfo/metainfo.js'
export type { HostPort } from './peer/address.js'
export { Reader, type ReadOptions } from './reader.js'
export type { Storage, StorageTorrent, TorrentStorage } from './storage/storage.js'
export { Torrent } from './torrent.js'
export type { PeerStatus, TorrentStatus } from './torrent-status.js'

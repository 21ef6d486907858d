/**
 * The library's public surface: the engine, without FUSE and without a command line.
 *
 * @module torrentfs
 */
/// <reference types="node" preserve="true" />
export type { AddOptions, AddSourceOptions, RemoveOptions } from './add-options.js'
export type { CacheStatus } from './capacity/piece-cache.js'
export type { ClientStatus } from './client-status.js'
export type { StreamOptions } from './byte-span.js'
export { Client } from './client.js'
export {
  DEFAULT_ENCRYPTION,
  DEFAULT_MAX_PEERS,
  DEFAULT_MAX_PEERS_PER_TORRENT,
  DEFAULT_READAHEAD_BYTES,
  type ClientOptions,
  type Rates,
} from './config.js'
export {
  MAX_EXTENSION_BACKLOG,
  MAX_EXTENSION_MESSAGE,
  type CustomExtension,
  type ExtensionChannel,
} from './custom-extensions.js'
export { checkPieces, type CheckPiecesOptions } from './check-pieces.js'
export { choosePieceLength, createTorrent, type CreateTorrentOptions } from './create.js'
export type { Dht, DhtStatus } from './discovery/dht/dht.js'
export type { GetPeersOptions, Pong } from './discovery/dht/questions.js'
export {
  LocalListener,
  type LocalAnnouncement,
  type LocalListenerOptions,
} from './discovery/local-listener.js'
export { messageOf, TorrentError, type TorrentErrorCode } from './errors.js'
export { fetchTorrentFile } from './torrent-file-fetch.js'
export { File, type ReaderOptions } from './file.js'
export { checkBlocklistSource } from './net/blocklist.js'
export { parseProxyUrl, type ProxyServer } from './net/proxy-url.js'
export type { PortMappingStatus } from './net/port-mapping.js'
export type { EdgeStatus } from './network-edge.js'
export {
  hooks,
  type AnnounceMessage,
  type ConnectionMessage,
  type DisconnectionMessage,
  type Hook,
  type PeerMessage,
  type PieceMessage,
  type TorrentMessage,
  type UnreachableMessage,
} from './hooks.js'
export { silentLogger, type Logger } from './logger.js'
export type { Info, InfoFile } from './metainfo/info.js'
export type { FileRange } from './metainfo/select-only.js'
export { formatMagnet, parseMagnet, type Magnet } from './metainfo/magnet.js'
export { parseMetainfo, type Metainfo } from './metainfo/metainfo.js'
export { nearestName } from './nearest-name.js'
export type { HostPort } from './peer/address.js'
export type { RateStatus } from './net/rate-limiter.js'
export type { RatesStatus } from './rates.js'
export { ENCRYPTION_POLICIES, type EncryptionPolicy, type Protection } from './peer/encryption.js'
export type { FileReadStream } from './read-stream.js'
export { Reader, type ReadaheadContext, type ReadaheadFunction, type ReadOptions } from './reader.js'
export type { ScrapeResult } from './scrape.js'
export { BlobStorage, type BlobStorageOptions } from './storage/blob/blob-storage.js'
export type { Completion, TorrentCompletion } from './storage/completion/completion.js'
export { FileCompletion } from './storage/completion/file-completion.js'
export type { KeptCompletionOptions } from './storage/completion/kept-completion.js'
export { MemoryCompletion } from './storage/completion/memory-completion.js'
export { FileStorage, type FileStorageOptions } from './storage/file/file-storage.js'
export { KvCompletion } from './storage/kv/kv-completion.js'
export { KvStorage } from './storage/kv/kv-storage.js'
export { MemoryStorage } from './storage/memory/memory-storage.js'
export {
  FaultyStorage,
  type Fault,
  type FaultPlan,
  type PlannedOperation,
} from './storage/middleware/faulty-storage.js'
export { StorageLayer, TorrentStorageLayer } from './storage/middleware/layer.js'
export type { OperationFigures } from './storage/middleware/operation-times.js'
export { TIMED_OPERATIONS, TimedStorage, type TimedOperation } from './storage/middleware/timed-storage.js'
export { MmapStorage, type MmapStorageOptions } from './storage/mmap/mmap-storage.js'
export type { PieceBackend, TorrentPieces } from './storage/pieces/piece-backend.js'
export { PieceStorage, type PieceStorageOptions } from './storage/pieces/piece-storage.js'
export { parseS3Url, type S3StorageOptions } from './storage/s3/s3-options.js'
export { S3Storage } from './storage/s3/s3-storage.js'
export { SqliteCompletion } from './storage/sqlite/sqlite-completion.js'
export { SqliteStorage } from './storage/sqlite/sqlite-storage.js'
export type {
  DirectWrites,
  FileStamp,
  JournalPlace,
  Storage,
  StorageFile,
  StorageRange,
  StorageTorrent,
  TorrentStorage,
} from './storage/storage.js'
export type { StoredFiles } from './stored-files.js'
export type { KnownSource, MagnetParts, TorrentSource } from './torrent-source.js'
export { Bitfield, type BitRun } from './pieces/bitfield.js'
export { Piece, PieceList, type PieceRun, type PieceState } from './piece.js'
export { Torrent } from './torrent.js'
export type { TorrentEvents } from './torrent-events.js'
export type { Priority } from './torrent-selection.js'
export type { VerifyOptions, VerifyProgress, VerifyResult } from './verification.js'
export type {
  SourceTraffic,
  Traffic,
  TrafficSource,
  TrafficTransport,
  TransportTraffic,
  WastedBytes,
} from './traffic.js'
export type { DhtPresenceStatus } from './dht-presence.js'
export type { LocalDiscoveryCounts } from './discovery/local-discovery.js'
export type { SearchStatus } from './discovery/dht/searches.js'
export type { TrackerStatus } from './discovery/tracker-record.js'
export type { HolepunchCounts } from './extensions/holepunch.js'
export type { PexCounts } from './extensions/pex.js'
export type { BlockedCounts, BlockedOccasion } from './net/ip-filter.js'
export type { AddressSource } from './peer/address-book.js'
export type { AddWebSeedOptions, TorrentWebSeedStatus } from './web-seeds.js'
export type { WebSeedKind } from './webseed/seed-layout.js'
export type { WebSeedStatus } from './webseed/web-seed.js'
export type { PeerStatus, TorrentStatus } from './torrent-status.js'

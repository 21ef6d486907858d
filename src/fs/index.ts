/**
 * The public surface of the filesystem.
 */
export type { BackendMount, BackendMountOptions, MountBackend } from './backends/backend.js'
export { fuseNativeBackend } from './backends/fuse-native.js'
export { Mount, mountTorrents, type MountTorrentsOptions } from './mount.js'
export { mountAt, type MountEntry } from './mount-table.js'
export type { ClientPort, FilePort, ReaderPort, TorrentPort } from './ports.js'
export { TorrentFs, type Attributes, type FilesystemStatistics, type TorrentFsOptions } from './torrent-fs.js'

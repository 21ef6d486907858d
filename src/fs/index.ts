/**
 * The public surface of the filesystem.
 *
 * @module torrentfs/fs
 */
/// <reference types="node" preserve="true" />
export type { BackendMount, BackendMountOptions, MountBackend } from './backends/backend.js'
export { BACKEND_NAMES, chooseBackend, type BackendName } from './backends/choice.js'
export { fuseNativeBackend } from './backends/fuse-native.js'
export { kernelBackend } from './backends/kernel.js'
export { Mount, mountTorrents, type MountTorrentsOptions } from './mount.js'
export { mountAt, type MountEntry } from './mount-table.js'
export type {
  ClientPort,
  FilePort,
  FileStampPort,
  ReaderPort,
  ReadPortOptions,
  StoredFilesPort,
  TorrentPort,
} from './ports.js'
export type {
  DirectoryNode,
  FileNode,
  TorrentTree,
  TreeEntry,
  TreeFile,
  TreeNode,
  TreeTorrent,
} from './tree.js'
export {
  TorrentFs,
  type Attributes,
  type FilesystemStatistics,
  type TorrentFsOptions,
  type TreeObserver,
} from './torrent-fs.js'

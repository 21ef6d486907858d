/**
 * What a storage is told of a torrent: where each file lies below the storage's root.
 *
 * Pure. A multi-file torrent is a folder of its name, a single file lies at the root.
 */
import type { Info } from './metainfo/info.js'
import type { StorageTorrent } from './storage/storage.js'

export function storageTorrentOf(info: Info): StorageTorrent {
  return {
    infohash: info.infohash,
    geometry: info.geometry,
    pieceHashes: info.pieceHashes,
    files: info.files.map(file => ({
      path: info.multiFile ? [info.name, ...file.path] : file.path,
      offset: file.offset,
      length: file.length,
      pad: file.pad,
    })),
  }
}

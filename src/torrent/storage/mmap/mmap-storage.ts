/**
 * Torrents as files in a download folder, read and written through memory that they are mapped to.
 *
 * The same folder, files and resume state as the file storage: a torrent of the one may be opened by the other. Linux only.
 */
import { FileStorage, type FileStorageOptions } from '../file/file-storage.js'
import type { FileTorrentStorage } from '../file/file-torrent-storage.js'
import type { StorageTorrent } from '../storage.js'
import { MappedReads } from './mapped-reads.js'
import { MappedWriter } from './mapped-writer.js'
import { loadMemoryCalls } from './mapping.js'

/** How a {@link MmapStorage} is made. */
export interface MmapStorageOptions extends Omit<FileStorageOptions, 'maxOpenFiles'> {
  /** Files kept mapped for reading. Default: 4096. */
  readonly maxMappedFiles?: number
}

/** A `Storage` of real files that are mapped to memory. */
export class MmapStorage extends FileStorage {
  constructor(o: MmapStorageOptions) {
    super(
      { ...o, ...(o.maxMappedFiles === undefined ? {} : { maxOpenFiles: o.maxMappedFiles }) },
      { reads: max => new MappedReads(max), writer: () => new MappedWriter(), mapped: true },
    )
  }

  /** @throws as the file storage's, and ERR_TORRENTFS_STORAGE where files cannot be mapped safely */
  override async open(torrent: StorageTorrent): Promise<FileTorrentStorage> {
    loadMemoryCalls()
    return await super.open(torrent)
  }
}

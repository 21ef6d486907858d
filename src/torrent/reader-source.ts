/**
 * What a reader of one file needs of its torrent.
 */
import { TorrentError } from './errors.js'
import type { File } from './file.js'
import type { Info } from './metainfo/info.js'
import type { ReaderSource } from './reader.js'
import type { TorrentEngine } from './torrent-engine.js'

/**
 * @param readahead - bytes
 * @param ended - the error the torrent ended with
 * @throws ERR_TORRENTFS_ARGUMENT before there is an engine
 */
export function readerSource(
  file: File,
  torrent: { readonly name: string; readonly info: Info | undefined },
  engine: TorrentEngine | undefined,
  readahead: number,
  ended: () => TorrentError | undefined,
): ReaderSource {
  const { info } = torrent
  if (engine === undefined || info === undefined)
    throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${torrent.name} is not ready`)
  const where = info.multiFile ? [torrent.name, ...file.path] : file.path
  const { offset, length } = file
  return { name: where.join('/'), offset, length, engine, geometry: info.geometry, readahead, ended }
}

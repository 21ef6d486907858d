/**
 * Which storage keeps what is downloaded, as a flag names it.
 *
 * Owns the names. One kind a line of the table: what comes after its name, what it is, and how it is made.
 */
import { resolve } from 'node:path'
import {
  BlobStorage,
  FileStorage,
  KvStorage,
  MemoryStorage,
  MmapStorage,
  parseS3Url,
  S3Storage,
  SqliteStorage,
  TorrentError,
  type Logger,
  type Storage,
} from '../torrent/index.js'
import { UsageError } from './usage-error.js'

/** A storage as a flag names it. */
export interface StorageChoice {
  readonly kind: StorageKind
  /** What comes after the name and a colon; the whole of a URL. */
  readonly rest: string
}

/** What storages are made with. */
export interface StoragePlace {
  /** Absolute path. */
  readonly downloadDir: string
  /** Whether incomplete files are called so, where there are files. */
  readonly partFiles: boolean
  readonly logger: Logger
}

interface Kind {
  /** How it is written. */
  readonly form: string
  readonly help: string
  /** What comes after the colon: nothing, a folder or file that may be left out, or a URL. */
  readonly takes: 'nothing' | 'path' | 'url'
  readonly make: (rest: string, place: StoragePlace) => Storage
}

const KINDS = {
  file: {
    form: 'file',
    help: 'files in -downloadDir',
    takes: 'nothing',
    make: (_, { downloadDir, partFiles, logger }) =>
      new FileStorage({ root: downloadDir, partFiles, logger }),
  },
  mmap: {
    form: 'mmap',
    help: 'the same files, mapped to memory',
    takes: 'nothing',
    make: (_, { downloadDir, partFiles, logger }) =>
      new MmapStorage({ root: downloadDir, partFiles, logger }),
  },
  memory: {
    form: 'memory',
    help: 'until the end',
    takes: 'nothing',
    make: (_, { logger }) => new MemoryStorage({ logger }),
  },
  sqlite: {
    form: 'sqlite:FILE',
    help: 'one SQLite database',
    takes: 'path',
    make: (rest, { downloadDir, logger }) =>
      new SqliteStorage(resolve(downloadDir, rest || 'torrents.sqlite'), { logger }),
  },
  kv: {
    form: 'kv:FILE',
    help: 'one LMDB file',
    takes: 'path',
    make: (rest, { downloadDir, logger }) =>
      new KvStorage(resolve(downloadDir, rest || 'torrents.lmdb'), { logger }),
  },
  blob: {
    form: 'blob:DIR',
    help: 'a folder of objects named by piece hash',
    takes: 'path',
    make: (rest, { downloadDir, logger }) =>
      new BlobStorage({ folder: resolve(downloadDir, rest || 'objects'), logger }),
  },
  s3: {
    form: 's3://BUCKET/PREFIX?endpoint=URL&region=NAME',
    help: 'such objects in a bucket, with the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    takes: 'url',
    make: (rest, { logger }) => new S3Storage({ ...parseS3Url(rest), logger }),
  },
} satisfies Record<string, Kind>

export type StorageKind = keyof typeof KINDS

/** How each kind is written and what it is, for help. */
export const STORAGE_HELP: string = Object.values(KINDS)
  .map(({ form, help }: Kind) => `${form} (${help})`)
  .join(', ')

/** @throws UsageError */
export function parseStorage(text: string): StorageChoice {
  const name = /^[a-z0-9]*/.exec(text)![0]
  if (!Object.hasOwn(KINDS, name)) {
    throw new UsageError(`${JSON.stringify(text)} is no storage: ${Object.keys(KINDS).join(', ')}`)
  }
  const kind = name as StorageKind
  const { takes, form }: Kind = KINDS[kind]
  if (takes === 'url') {
    try {
      parseS3Url(text)
    } catch (thrown) {
      throw thrown instanceof TorrentError ? new UsageError(thrown.message) : thrown
    }
    return { kind, rest: text }
  }
  const rest = text.slice(name.length)
  const fits = rest === '' || (takes === 'path' && /^:[^:]/.test(rest))
  if (!fits) throw new UsageError(`${JSON.stringify(text)} is no storage: it is written ${form}`)
  return { kind, rest: rest.slice(1) }
}

/** The file or folder that was named, if one was: absolute. */
export function storagePath({ kind, rest }: StorageChoice, downloadDir: string): string | undefined {
  const { takes }: Kind = KINDS[kind]
  return takes === 'path' && rest !== '' ? resolve(downloadDir, rest) : undefined
}

/** Opens nothing yet. @throws ERR_TORRENTFS_ARGUMENT when something that it needs is missing */
export function makeStorage({ kind, rest }: StorageChoice, place: StoragePlace): Storage {
  return KINDS[kind].make(rest, place)
}

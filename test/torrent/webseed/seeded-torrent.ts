/**
 * A torrent of content that the test has in memory, a web server that serves it, and a client that can fetch it from
 * there alone.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { TestContext } from 'node:test'
import { Client, type ClientOptions, type Torrent } from '../../../src/torrent/index.js'
import { buildMetainfo } from '../../../src/torrent/metainfo/create.js'
import { MemoryStorage } from '../../../src/torrent/storage/memory/memory-storage.js'
import { testBytes } from '../../support/fs-fixture.js'
import { SeedServer } from './seed-server.js'

/** Given by a web server, or a pad. */
export interface SeededFile {
  readonly path: readonly string[]
  readonly length: number
  readonly pad?: boolean
}

export interface SeededOptions {
  readonly pieceLength?: number
  /** Bytes of a torrent of one file called `file`; or its files. */
  readonly length?: number
  readonly files?: readonly SeededFile[]
  /** Web seeds of the torrent; default: the server's root. */
  readonly webSeeds?: (server: SeedServer) => readonly string[]
  readonly httpSeeds?: (server: SeedServer) => readonly string[]
  readonly client?: Partial<ClientOptions>
}

export interface Seeded {
  readonly server: SeedServer
  readonly client: Client
  readonly torrent: Torrent
  readonly metainfo: Uint8Array
  /** The torrent's bytes. */
  readonly content: Uint8Array
  readonly pieceLength: number
}

/** All of it ends with the test. */
export async function seededTorrent(t: TestContext, o: SeededOptions = {}): Promise<Seeded> {
  const pieceLength = o.pieceLength ?? 65536
  const length = o.files?.reduce((sum, file) => sum + file.length, 0) ?? o.length ?? 20 * pieceLength
  const content = testBytes(length, 7)
  const server = await SeedServer.start()
  let at = 0
  for (const file of o.files ?? []) {
    const bytes = content.subarray(at, (at += file.length))
    if (file.pad === true) bytes.fill(0)
    else server.files.set(`/torrent/${file.path.map(encodeURIComponent).join('/')}`, bytes)
  }
  if (o.files === undefined) server.files.set('/file', content)
  const hashes: Buffer[] = []
  for (let begin = 0; begin < length; begin += pieceLength) {
    hashes.push(
      createHash('sha1')
        .update(content.subarray(begin, begin + pieceLength))
        .digest(),
    )
  }
  const metainfo = buildMetainfo({
    name: o.files === undefined ? 'file' : 'torrent',
    pieceLength,
    pieceHashes: Buffer.concat(hashes),
    ...(o.files === undefined ? { length } : { files: o.files }),
    webSeeds: o.webSeeds?.(server) ?? (o.httpSeeds === undefined ? [server.url('/')] : []),
    httpSeeds: o.httpSeeds?.(server) ?? [],
  })
  const client = new Client({
    downloadDir: '/nonexistent',
    storage: new MemoryStorage(),
    disableTrackers: true,
    listenAddr: { host: '127.0.0.1', port: 0 },
    ...o.client,
  })
  t.after(async () => {
    await client.close()
    await server[Symbol.asyncDispose]()
  })
  await client.listen()
  const torrent = client.addNow({ metainfo })
  await torrent.whenReady()
  return { server, client, torrent, metainfo, content, pieceLength }
}

/** Reads [begin, end) of a file through a reader of its own, and compares it. */
export async function readAndCompare(
  seeded: Seeded,
  file: number,
  begin: number,
  end: number,
): Promise<void> {
  const { offset } = seeded.torrent.files[file]!
  const reader = seeded.torrent.files[file]!.createReader()
  try {
    const target = Buffer.alloc(end - begin)
    assert.equal(await reader.readAt(target, begin, { timeoutMs: 60_000 }), end - begin)
    const right = seeded.content.subarray(offset + begin, offset + end)
    assert.ok(target.equals(right), `bytes ${begin}-${end} of file ${file} are wrong`)
  } finally {
    reader.close()
  }
}

/** Reads every file that is no pad from its beginning to its end, in steps as a program would. */
export async function readAll(seeded: Seeded, step = 65536): Promise<void> {
  for (const { index, offset, length, pad } of seeded.torrent.files) {
    if (pad) continue
    const reader = seeded.torrent.files[index]!.createReader()
    try {
      for (let begin = 0; begin < length; begin += step) {
        const target = Buffer.alloc(Math.min(step, length - begin))
        await reader.readAt(target, begin, { timeoutMs: 60_000 })
        const right = seeded.content.subarray(offset + begin, offset + begin + target.length)
        assert.ok(target.equals(right), `bytes from ${begin} of file ${index} are wrong`)
      }
    } finally {
      reader.close()
    }
  }
}

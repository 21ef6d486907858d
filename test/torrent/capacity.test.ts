import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import {
  Client,
  createTorrent,
  MemoryStorage,
  TorrentError,
  type File,
  type Torrent,
} from '../../src/torrent/index.js'
import { contentBytes } from '../support/content.js'
import { until } from '../support/fs-process.js'
import { twoClients } from './two-clients.js'

const KiB = 1024
const PIECE = 64 * KiB
const CAP = 16 * PIECE
/** What filesystems put beside the bytes of a file. */
const OVERHEAD = 64 * KiB

async function bytesOnDisk(path: string): Promise<number> {
  return (await stat(path)).blocks * 512
}

/** Reads [begin, end) of a file and compares each part with what it should be. */
async function readThrough(file: File, content: Uint8Array, begin: number, end: number): Promise<void> {
  const reader = file.createReader()
  const part = new Uint8Array(100_000)
  try {
    for (let at = begin; at < end;) {
      const target = part.subarray(0, Math.min(part.length, end - at))
      const count = await reader.readAt(target, at)
      assert.ok(Buffer.from(target).equals(content.subarray(at, at + count)), `the bytes at ${at}`)
      at += count
    }
  } finally {
    reader.close()
  }
}

async function evictionsOf(torrent: Torrent, action: () => Promise<void>): Promise<number> {
  let count = 0
  const note = (): unknown => count++
  torrent.on('evicted', note)
  await action()
  torrent.off('evicted', note)
  return count
}

describe('a client with cacheBytes', () => {
  it('reads a file through a cache it does not fit in, each piece fetched once', async t => {
    const content = contentBytes('capacity 1', 0, 6 * CAP + 12_345)
    const { torrent, fetcher, path } = await twoClients(t, content, PIECE, undefined, {
      fetcher: { cacheBytes: CAP },
    })
    let most = 0
    const look = setInterval(
      () =>
        void bytesOnDisk(path).then(
          bytes => (most = Math.max(most, bytes)),
          () => 0,
        ),
      5,
    )
    t.after(() => clearInterval(look))
    await readThrough(torrent.files[0]!, content, 0, content.length)
    const status = torrent.status()
    assert.equal(status.usefulBytes, content.length)
    assert.equal(status.wastedBytes, 0)
    assert.equal(status.failedPieces, 0)
    const cache = fetcher.status().cache!
    assert.ok(cache.evictedBytes >= content.length - CAP - PIECE, `${cache.evictedBytes} given up`)
    await until('nothing is being freed', 10_000, async () => (await bytesOnDisk(path)) <= CAP + OVERHEAD)
    assert.ok(most <= CAP + 2 * PIECE, `${most} bytes on the disk at a time`)
    assert.equal(torrent.files[0]!.storedBytes, torrent.status().storedBytes)
    // What was given up is fetched again and not served as a hole.
    await readThrough(torrent.files[0]!, content, 0, 3 * PIECE)
  })

  it('lets readers at distant places read at once, and reads that span more than it holds', async t => {
    const content = contentBytes('capacity 2', 0, 10 * CAP)
    const cap = 3 * PIECE
    const { torrent, fetcher } = await twoClients(t, content, PIECE, undefined, {
      fetcher: { cacheBytes: cap },
    })
    const file = torrent.files[0]!
    const reads = [0, 1, 2, 3, 4].map(i => readThrough(file, content, 2 * i * CAP, 2 * i * CAP + CAP))
    const reader = file.createReader()
    const target = new Uint8Array(8 * PIECE)
    const whole = reader.readAt(target, 5 * CAP + 1).then(count => {
      assert.ok(Buffer.from(target).equals(content.subarray(5 * CAP + 1, 5 * CAP + 1 + count)))
      reader.close()
    })
    await Promise.all([...reads, whole])
    assert.ok(fetcher.status().cache!.used <= cap)
  })

  it('does so with a storage in memory', async t => {
    const content = contentBytes('capacity 3', 0, 4 * CAP)
    const { torrent, fetcher } = await twoClients(t, content, PIECE, new MemoryStorage(), {
      fetcher: { cacheBytes: CAP },
    })
    await readThrough(torrent.files[0]!, content, 0, content.length)
    assert.ok(fetcher.status().cache!.evictedPieces > 0)
  })

  it('stops a download at the cap, and gives up nothing for it', async t => {
    const content = contentBytes('capacity 4', 0, 4 * CAP)
    const { torrent, fetcher } = await twoClients(t, content, PIECE, undefined, {
      fetcher: { cacheBytes: CAP },
    })
    const evictions = await evictionsOf(torrent, async () => {
      torrent.download()
      await until('it is full', 20_000, () => torrent.status().storedBytes === CAP)
      await new Promise(resolve => setTimeout(resolve, 500))
    })
    assert.equal(evictions, 0)
    assert.equal(torrent.status().storedBytes, CAP)
    // A reader comes first: what was fetched for no one goes.
    await readThrough(torrent.files[0]!, content, 0, content.length)
    const { usefulBytes } = torrent.status()
    assert.ok(usefulBytes < 2 * content.length, `${usefulBytes} bytes for ${content.length}`)
    assert.ok(fetcher.status().cache!.used <= CAP)
  })

  it('frees what an earlier run without it left beyond the cap', async t => {
    const content = contentBytes('capacity 5', 0, 3 * CAP)
    const { torrent, fetcher, path } = await twoClients(t, content, PIECE)
    torrent.download()
    await until('all is stored', 20_000, () => torrent.status().storedBytes === content.length)
    await fetcher.close()
    const client = new Client({
      downloadDir: dirname(path),
      cacheBytes: CAP,
      disableTrackers: true,
      disableDht: true,
    })
    t.after(() => client.close())
    const metainfo = await createTorrent(join(dirname(dirname(path)), 'seed', 'file'), { pieceLength: PIECE })
    const again = client.addNow({ metainfo })
    await again.whenReady()
    await until('the rest is given up', 20_000, () => again.status().storedBytes <= CAP)
    await until('its bytes are freed', 20_000, async () => (await bytesOnDisk(path)) <= CAP + OVERHEAD)
    assert.ok(again.status().storedBytes >= CAP - PIECE)
  })

  it('refuses a torrent of which it cannot hold two pieces, naming both numbers', async t => {
    const content = contentBytes('capacity 6', 0, CAP)
    await assert.rejects(
      twoClients(t, content, PIECE, undefined, { fetcher: { cacheBytes: 2 * PIECE - 1 } }),
      (error: unknown) =>
        error instanceof TorrentError &&
        error.code === 'ERR_TORRENTFS_ARGUMENT' &&
        error.message.includes(String(PIECE)) &&
        error.message.includes(String(2 * PIECE - 1)),
    )
  })
})

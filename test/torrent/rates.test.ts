/**
 * Limits of what is sent and received, between real clients on loopback.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Client, createTorrent, type ClientOptions, type Torrent } from '../../src/torrent/index.js'
import { testBytes } from '../support/fs-fixture.js'
import { until } from '../support/fs-process.js'

const MIB = 1 << 20
const RATE = 2 * MIB
const LENGTH = 64 * MIB

async function newClient(t: TestContext, more: Partial<ClientOptions> = {}): Promise<Client> {
  const dir = await mkdtemp(join(tmpdir(), 'torrentfs-rates-'))
  const client = new Client({
    downloadDir: dir,
    disableTrackers: true,
    listenAddr: { host: '127.0.0.1', port: 0 },
    ...more,
  })
  t.after(async () => {
    await client.close()
    await rm(dir, { recursive: true, force: true })
  })
  await client.listen()
  return client
}

interface Content {
  readonly folder: string
  readonly metainfo: Uint8Array
}

async function content(t: TestContext, seed: number): Promise<Content> {
  const folder = await mkdtemp(join(tmpdir(), 'torrentfs-rates-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, `file ${seed}`), testBytes(LENGTH, seed))
  return { folder, metainfo: await createTorrent(join(folder, `file ${seed}`), { pieceLength: 256 * 1024 }) }
}

/** A client that has all of these. */
async function seeder(
  t: TestContext,
  contents: readonly Content[],
  more: Partial<ClientOptions> = {},
): Promise<Client> {
  const client = await newClient(t, { ...more, downloadDir: contents[0]!.folder })
  for (const { metainfo } of contents) {
    const torrent = client.addNow({ metainfo })
    await torrent.whenReady()
    torrent.download()
    await until('the seed is verified', 60_000, () => torrent.status().storedBytes === LENGTH)
  }
  return client
}

const peerOf = (client: Client) => ({ host: '127.0.0.1', port: client.port })
const usefulOf = (torrents: readonly Torrent[]): number =>
  torrents.reduce((sum, torrent) => sum + torrent.status().usefulBytes + torrent.status().wastedBytes, 0)

/** Bytes/s that `count` grows by in so many seconds. */
async function rateOf(count: () => number, seconds: number): Promise<number> {
  const before = count()
  const began = performance.now()
  await sleep(seconds * 1000)
  return ((count() - before) * 1000) / (performance.now() - began)
}

/** A slow machine may be slower than a limit, and never faster. */
function checkRate(rate: number, limit: number): void {
  assert.ok(rate < 1.06 * limit, `${rate} bytes/s of ${limit}`)
  assert.ok(rate > 0.5 * limit, `${rate} bytes/s of ${limit}`)
}

test('two torrents together are downloaded at the limit, and what is read goes first', async t => {
  const [one, two] = [await content(t, 1), await content(t, 2)]
  const all = [one, two]
  // The seeder keeps both in one folder.
  await writeFile(join(one.folder, 'file 2'), testBytes(LENGTH, 2))
  const first = await seeder(t, all)
  const client = await newClient(t, { maxDownloadRate: RATE, testPeers: [peerOf(first)] })
  const torrents = all.map(({ metainfo }) => client.addNow({ metainfo }))
  for (const torrent of torrents) {
    await torrent.whenReady()
    torrent.download()
  }
  await sleep(2000)
  checkRate(await rateOf(() => usefulOf(torrents), 4), RATE)
  const share = torrents.map(torrent => torrent.status().usefulBytes)
  assert.ok(Math.max(...share) < 2 * Math.min(...share), share.join(' '))
  assert.equal(client.status().rates.download.limit, RATE)

  const reader = torrents[0]!.files[0]!.createReader()
  const head = new Uint8Array(4096)
  const began = performance.now()
  await reader.readAt(head, 60 * MIB)
  // A piece takes an eighth of a second; beside two downloads it would take as long as both their queues.
  t.diagnostic(`a read beside two limited downloads took ${Math.round(performance.now() - began)} ms`)
  reader.close()

  client.setRates({ maxDownloadRate: 0 })
  await until('the rest comes without a limit', 60_000, () => usefulOf(torrents) >= 2 * LENGTH)
})

test('three peers together are uploaded to at the limit', async t => {
  const one = await content(t, 1)
  const client = await seeder(t, [one], { maxUploadRate: RATE })
  const leechers: Torrent[] = []
  for (let i = 0; i < 3; i++) {
    const leecher = (await newClient(t, { testPeers: [peerOf(client)], disableUpload: true })).addNow(one)
    await leecher.whenReady()
    leecher.download()
    leechers.push(leecher)
  }
  await sleep(2000)
  checkRate(await rateOf(() => usefulOf(leechers), 4), RATE)
  const share = leechers.map(torrent => torrent.status().usefulBytes)
  assert.ok(Math.max(...share) < 2 * Math.min(...share), share.join(' '))
  client.setRates({ maxUploadRate: 0 })
  await until('the rest goes without a limit', 60_000, () => usefulOf(leechers) >= 3 * LENGTH)
})

describe('disableUpload', () => {
  test('leaves every peer choked, and sends nothing', async t => {
    const one = await content(t, 1)
    const client = await seeder(t, [one], { disableUpload: true })
    const leecher = (await newClient(t, { testPeers: [peerOf(client)] })).addNow(one)
    await leecher.whenReady()
    leecher.download()
    await until('they are connected', 20_000, () => leecher.status().peers.length === 1)
    await sleep(1000)
    const [peer] = leecher.status().peers
    assert.deepEqual([peer?.choking, peer?.interesting, peer?.downloaded], [true, true, 0])
  })
})

test('a rate that cannot be is an argument that cannot be', async t => {
  const client = await newClient(t)
  for (const rates of [{ maxDownloadRate: -1 }, { maxUploadRate: 1.5 }, { maxUploadRate: Number.NaN }])
    assert.throws(() => client.setRates(rates), { code: 'ERR_TORRENTFS_ARGUMENT' })
  assert.deepEqual(client.status().rates.upload, { limit: 0, waiting: 0, urgent: 0 })
})

/**
 * What a client and its torrents show of themselves.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  formatMagnet,
  type Client,
  type ClientStatus,
  type Torrent,
  type Traffic,
} from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { clientOf, madeTorrent } from './client-fixture.js'
import { seededTorrent } from './webseed/seeded-torrent.js'

const LENGTH = 110_000

interface Transfer {
  readonly seeder: Client
  readonly seeded: Torrent
  readonly client: Client
  readonly torrent: Torrent
}

/** A client that has fetched a torrent from another one, which it knows by a magnet. */
async function transfer(t: TestContext): Promise<Transfer> {
  const { metainfo, infohash, downloadDir } = await madeTorrent(t)
  const seeder = await clientOf(t, { downloadDir })
  const seeded = seeder.addNow(metainfo)
  await complete(seeded)
  const client = await clientOf(t, {
    disableDht: false,
    dhtBootstrap: [],
    disableLsd: false,
    disableTrackers: false,
  })
  const peers = [{ host: '127.0.0.1', port: seeder.port }]
  const torrent = client.addNow(
    formatMagnet({ infohash, peers, trackers: [['http://127.0.0.1:1/announce']] }),
  )
  await complete(torrent)
  return { seeder, seeded, client, torrent }
}

async function complete(torrent: Torrent): Promise<void> {
  await torrent.whenReady(AbortSignal.timeout(20_000))
  torrent.download()
  await until('all of it is stored', 20_000, () => torrent.status().storedBytes === torrent.info?.length)
}

/** It survives what plain data survives. */
function assertPlain(status: object): void {
  assert.deepEqual(structuredClone(status), status)
  const text = JSON.stringify(status, (key, value: unknown) => {
    assert.ok(typeof value !== 'number' || Number.isFinite(value), `${key} is ${String(value)}`)
    assert.ok(typeof value !== 'bigint' && typeof value !== 'function', key)
    // JSON knows no undefined, and it makes null of what is no number.
    return value === undefined ? 'undefined' : value
  })
  const back: unknown = JSON.parse(text, (_key, value: unknown) =>
    value === 'undefined' ? undefined : value,
  )
  assert.deepEqual(withoutUndefined(back), withoutUndefined(status))
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutUndefined(inner)]))
}

/** The sources that payload came from, or went to. */
function flows(traffic: Traffic, way: 'downloaded' | 'uploaded'): Record<string, number> {
  return Object.fromEntries(
    Object.entries({ ...traffic.sources, ...traffic.transports })
      .map(([name, sums]) => [name, sums[way]] as const)
      .filter(([, bytes]) => bytes > 0),
  )
}

describe('the status', () => {
  it('tells payload by source and by transport, on both sides', async t => {
    const { seeded, torrent } = await transfer(t)
    const fetched = torrent.status()
    assert.equal(fetched.usefulBytes, LENGTH)
    assert.deepEqual(flows(fetched, 'downloaded'), { magnet: LENGTH, tcp: LENGTH })
    assert.equal(fetched.sources.magnet.addresses, 1)
    assert.equal(fetched.sources.magnet.connected, 1)
    assert.deepEqual(
      fetched.peers.map(({ source, transport }) => [source, transport]),
      [['magnet', 'tcp']],
    )
    const given = seeded.status()
    assert.equal(given.uploadedBytes, LENGTH)
    assert.deepEqual(flows(given, 'uploaded'), { incoming: LENGTH, tcp: LENGTH })
    assert.equal(given.sources.incoming.addresses, 0)
    assert.equal(given.usefulBytes, 0)
  })

  it('is plain data of a client and a torrent, with everything switched on', async t => {
    const { client, torrent } = await transfer(t)
    assertPlain(torrent.status())
    assertPlain(client.status())
    const status = client.status()
    assert.deepEqual([status.torrents, status.ready, status.port], [1, 1, client.port])
    assert.deepEqual(status.lsd, {
      sent: status.lsd?.sent,
      heard: status.lsd?.heard,
      ignored: status.lsd?.ignored,
    })
    assert.equal(status.dht?.state, 'running')
    assert.equal(status.memory.used, 0)
    assert.equal(status.connections.used, 1)
  })

  it('is a snapshot: what happens later does not change it', async t => {
    const { client } = await transfer(t)
    const status = client.status()
    const copy = structuredClone(status)
    await client.close()
    assert.deepEqual(status, copy)
  })

  it('counts what removed torrents did, and no peer of theirs', async t => {
    const { client, torrent } = await transfer(t)
    const before: ClientStatus = client.status()
    const removed = client.remove(torrent)
    assert.equal(client.status().usefulBytes, LENGTH)
    await removed
    const { sources, transports, ...after } = client.status()
    assert.equal(after.torrents, 0)
    assert.equal(after.usefulBytes, LENGTH)
    assert.deepEqual(sources.magnet, { ...before.sources.magnet, connected: 0 })
    assert.deepEqual(transports.tcp, { ...before.transports.tcp, connected: 0 })
  })

  it('tells what web seeds gave', async t => {
    const { client, torrent, content } = await seededTorrent(t)
    await complete(torrent)
    const status = client.status()
    assert.deepEqual(flows(status, 'downloaded'), { webseed: content.length, http: content.length })
    assert.equal(status.sources.webseed.addresses, 1)
    assertPlain(torrent.status())
  })
})

/** Clients and the DHT: who is found by it alone, and of which torrents not one datagram speaks. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Dht } from '../../src/torrent/discovery/dht/dht.js'
import { Client, createTorrent, parseMetainfo, type ClientOptions } from '../../src/torrent/index.js'
import { silentLogger } from '../../src/torrent/logger.js'
import { encodeBencode } from '../../src/torrent/metainfo/bencode.js'
import { UdpPort } from '../../src/torrent/net/datagram-port.js'
import { PRIVACY_GRACE_MS } from '../../src/torrent/privacy.js'
import { until } from '../support/fs-process.js'

const host = '127.0.0.1'

interface Scene {
  readonly folder: string
  /** Where the clients' nodes begin. */
  readonly node: { readonly host: string; readonly port: number }
  /** What that node hears: every datagram of a client's goes there first. */
  readonly heard: Uint8Array[]
  client(name: string, options?: Partial<ClientOptions>): Promise<Client>
}

async function scene(t: TestContext): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'torrentfs-dht-'))
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  const port = await UdpPort.open({ family: 4, host, port: 0 })
  ends.push(() => port.close())
  const heard: Uint8Array[] = []
  port.listen(bytes => heard.push(bytes))
  const dht = new Dht({ bootstrap: [], logger: silentLogger })
  ends.push(() => dht.close())
  dht.attach([port])
  void dht.ping({ host, port: 9 }).catch(() => undefined)
  await until('the node runs', 10_000, () => dht.status().state === 'running')
  const node = { host, port: port.port }
  const client = async (name: string, options: Partial<ClientOptions> = {}): Promise<Client> => {
    const made = new Client({
      downloadDir: join(folder, name),
      disableTrackers: true,
      listenAddr: { host, port: 0 },
      dhtBootstrap: [node],
      ...options,
    })
    ends.push(() => made.close())
    await made.listen()
    return made
  }
  return { folder, node, heard, client }
}

function infoDictionary(isPrivate: boolean): { info: Uint8Array; infohash: string; metainfo: Uint8Array } {
  const info = {
    length: 5,
    name: 'file',
    'piece length': 16384,
    pieces: createHash('sha1').update('hello').digest(),
    ...(isPrivate ? { private: 1 } : {}),
  }
  const raw = encodeBencode(info)
  return {
    info: raw,
    infohash: createHash('sha1').update(raw).digest('hex'),
    metainfo: encodeBencode({ info }),
  }
}

test('a magnet that names nobody is found and read by the DHT alone', async t => {
  const { folder, client } = await scene(t)
  const content = Buffer.from('hello, world')
  await mkdir(join(folder, 'seed'))
  await writeFile(join(folder, 'seed', 'file'), content)
  const metainfo = await createTorrent(join(folder, 'seed', 'file'), {})
  const { infohash } = parseMetainfo(metainfo).info
  const seeder = await client('seed')
  const seeded = seeder.addNow({ metainfo })
  await seeded.whenReady()
  seeded.download()
  await until('announced', 30_000, () => {
    const status = seeded.status().dht
    return status?.state === 'idle' && status.announcedTo > 0
  })
  const fetcher = await client('fetch')
  const torrent = fetcher.addNow({ magnet: `magnet:?xt=urn:btih:${infohash}` })
  await torrent.whenReady(AbortSignal.timeout(30_000))
  const reader = torrent.files[0]!.createReader()
  const read = Buffer.alloc(content.length)
  await reader.readAt(read, 0)
  reader.close()
  assert.deepEqual(read, content)
  const peers = await fetcher.dht!.getPeers(infohash)
  assert.ok(peers.some(({ port }) => port === seeder.port))
  const status = fetcher.dht!.status()
  assert.equal(status.state, 'running')
  assert.ok(status.nodes4 >= 1)
})

test('a client of private torrents alone sends not one datagram', async t => {
  const { client, heard } = await scene(t)
  const own = await client('own')
  const torrent = own.addNow({ metainfo: infoDictionary(true).metainfo })
  await torrent.whenReady()
  await sleep(1000)
  assert.equal(torrent.swarm.identity.dht, false)
  assert.deepEqual(torrent.status().dht, { state: 'off' })
  assert.equal(heard.length, 0)
  assert.equal(own.dht!.status().state, 'idle')
})

test('beside a public torrent, nothing is said of a private one', async t => {
  const { client, heard } = await scene(t)
  const own = await client('own')
  const [open, secret] = [infoDictionary(false), infoDictionary(true)]
  for (const { metainfo } of [secret, open]) await own.addNow({ metainfo }).whenReady()
  const tells = (infohash: string): boolean =>
    heard.some(bytes => Buffer.from(bytes).includes(Buffer.from(infohash, 'hex')))
  await until('the public one is looked up', 10_000, () => tells(open.infohash))
  await sleep(1000)
  assert.equal(tells(secret.infohash), false)
})

test('a magnet whose metadata of an earlier run is private is never looked up', async t => {
  const { folder, client, heard } = await scene(t)
  const { info, infohash } = infoDictionary(true)
  await mkdir(join(folder, 'own', '.torrentfs'), { recursive: true })
  await writeFile(join(folder, 'own', '.torrentfs', `${infohash}.info`), info)
  const own = await client('own')
  await own.addNow({ magnet: `magnet:?xt=urn:btih:${infohash}` }).whenReady()
  await sleep(1000)
  assert.equal(heard.length, 0)
})

test('a magnet that names a peer asks the DHT only when that peer was given time', async t => {
  const { client, heard } = await scene(t)
  const own = await client('own')
  const began = performance.now()
  own.addNow({ magnet: `magnet:?xt=urn:btih:${'ab'.repeat(20)}&x.pe=127.0.0.1:9` })
  await until('the DHT is asked', 20_000, () => heard.length > 0)
  assert.ok(performance.now() - began >= PRIVACY_GRACE_MS - 50)
})

test('a magnet whose metadata turns out private in the middle of it all says no more', async t => {
  const { client, heard } = await scene(t)
  const own = await client('own')
  const { metainfo, infohash } = infoDictionary(true)
  const torrent = own.addNow({ magnet: `magnet:?xt=urn:btih:${infohash}` })
  await until('it is looked up', 10_000, () => heard.length > 0)
  own.addNow({ metainfo })
  assert.equal(torrent.swarm.identity.dht, false)
  // What was sent before may still be on its way.
  await sleep(300)
  heard.length = 0
  await sleep(6000)
  const tells = heard.filter(bytes => Buffer.from(bytes).includes(Buffer.from(infohash, 'hex')))
  assert.equal(tells.length, 0)
})

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { Client, createTorrent } from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { hasOpentracker, LocalOpentracker } from './discovery/local-opentracker.js'

const KNOWN = '0123456789abcdef0123456789abcdef01234567'
const OTHER = 'f'.repeat(40)

async function newClient(t: TestContext, more: { disableTrackers?: boolean } = {}): Promise<Client> {
  const dir = await mkdtemp(join(tmpdir(), 'torrentfs-scrape-'))
  const client = new Client({ downloadDir: dir, listenAddr: { host: '127.0.0.1', port: 0 }, ...more })
  t.after(async () => {
    await client.close()
    await rm(dir, { recursive: true, force: true })
  })
  return client
}

async function trackerSaying(t: TestContext, answer: Buffer): Promise<string> {
  const server = createServer((_, response) => void response.end(answer))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`
}

test('every tracker answers for itself: numbers, a refusal, nobody there, no tracker at all', async t => {
  const counts = 'd8:completei7e10:downloadedi9e10:incompletei3ee'
  const files = Buffer.concat([
    Buffer.from('d5:filesd20:'),
    Buffer.from(KNOWN, 'hex'),
    Buffer.from(counts),
    Buffer.from('20:'),
    Buffer.from('e'.repeat(40), 'hex'),
    Buffer.from(`${counts}ee`),
  ])
  const good = await trackerSaying(t, files)
  const refusing = await trackerSaying(t, Buffer.from('d14:failure reason2:noe'))
  const client = await newClient(t)
  const results = await client.scrape(
    [good, refusing, 'http://127.0.0.1:1/announce', 'nonsense'],
    [KNOWN, OTHER],
  )
  assert.deepEqual(results[0], {
    url: good,
    entries: [{ infohash: KNOWN, seeders: 7, leechers: 3, downloads: 9 }],
  })
  assert.deepEqual(results[1], { url: refusing, error: 'no' })
  assert.match((results[2] as { error: string }).error, /ECONNREFUSED/)
  assert.deepEqual(results[3], { url: 'nonsense', error: 'not the URL of a tracker' })
})

test('what is no infohash is an argument that cannot be', async t => {
  const client = await newClient(t)
  await assert.rejects(client.scrape([], ['abc']), { code: 'ERR_TORRENTFS_ARGUMENT' })
})

test('nobody is asked when trackers are switched off', async t => {
  const client = await newClient(t, { disableTrackers: true })
  const url = 'http://127.0.0.1:1/announce'
  assert.deepEqual(await client.scrape([url], [KNOWN]), [{ url, error: 'trackers are switched off' }])
})

test(
  'a torrent that announced itself is counted by its tracker, over HTTP and UDP',
  { skip: !hasOpentracker() && 'no opentracker' },
  async t => {
    const folder = await mkdtemp(join(tmpdir(), 'torrentfs-scrape-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, 'file'), 'content')
    const plain = await createTorrent(join(folder, 'file'), {})
    const client = await newClient(t)
    await client.listen()
    const torrent = client.addNow({ metainfo: plain })
    await using tracker = await LocalOpentracker.start([torrent.infohash])
    torrent.addTrackers([[tracker.httpUrl.href], [tracker.udpUrl.href]])
    const working = (): boolean => torrent.status().trackers.every(({ state }) => state === 'working')
    await until('both trackers know it', 20_000, working)
    const results = await torrent.scrape()
    assert.equal(results.length, 2)
    for (const result of results) {
      assert.ok('entries' in result, JSON.stringify(result))
      assert.deepEqual(
        result.entries.map(({ infohash, seeders, leechers }) => [infohash, seeders + leechers]),
        [[torrent.infohash, 1]],
      )
    }
  },
)

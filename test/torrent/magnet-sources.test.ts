/**
 * Magnets whose torrent file is to be had from a web server, right, wrong or not at all.
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

import { Client, createTorrent, formatMagnet, parseMetainfo } from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'

const FILES = ['a', 'b', 'c', 'd']

/** A folder of four files of one piece each, and its torrent. */
async function content(t: TestContext): Promise<{ folder: string; metainfo: Uint8Array; infohash: string }> {
  const base = await mkdtemp(join(tmpdir(), 'torrentfs-magnet-'))
  t.after(() => rm(base, { recursive: true, force: true }))
  const folder = join(base, 'set')
  await mkdir(folder)
  for (const name of FILES) await writeFile(join(folder, name), Buffer.alloc(16384, name))
  const metainfo = await createTorrent(folder, {
    pieceLength: 16384,
    trackers: [['http://192.0.2.1/announce']],
  })
  return { folder: base, metainfo, infohash: parseMetainfo(metainfo).info.infohash }
}

async function serve(
  t: TestContext,
  answer: (response: ServerResponse, request: IncomingMessage) => void,
): Promise<{ url: (path: string) => string; requests: string[] }> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    answer(response, request)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: path => `http://127.0.0.1:${port}${path}`, requests }
}

async function newClient(t: TestContext, downloadDir?: string): Promise<Client> {
  const dir = downloadDir ?? (await mkdtemp(join(tmpdir(), 'torrentfs-magnet-')))
  const client = new Client({
    downloadDir: dir,
    disableTrackers: true,
    listenAddr: { host: '127.0.0.1', port: 0 },
  })
  await client.listen()
  t.after(async () => {
    await client.close()
    await rm(dir, { recursive: true, force: true })
  })
  return client
}

test('a magnet without peers becomes a torrent from the URL it names, and is one at the next start without asking', async t => {
  const { metainfo, infohash } = await content(t)
  const server = await serve(t, response => void response.end(gzipSync(metainfo)))
  const dir = await mkdtemp(join(tmpdir(), 'torrentfs-magnet-'))
  const first = await newClient(t, dir)
  const magnet = formatMagnet({ infohash, sources: [server.url('/set.torrent')] })
  const torrent = first.addNow({ magnet })
  await torrent.whenReady(AbortSignal.timeout(20_000))
  assert.equal(torrent.name, 'set')
  await until('the torrent file is kept', 10_000, () =>
    readdir(join(dir, '.torrentfs')).then(names => names.includes(`${infohash}.torrent`)),
  )
  await first.close()
  assert.equal(server.requests.length, 1)
  const second = await newClient(t, dir)
  await second.addNow({ magnet }).whenReady(AbortSignal.timeout(20_000))
  await sleep(50)
  // It may have been asked again before the file on the disk was read, but needs no answer.
  assert.ok(server.requests.length <= 2)
})

test('wrong, broken, endless and missing files are ignored, and the right one is found among them', async t => {
  const { metainfo, infohash } = await content(t)
  const other = await content(t)
  await writeFile(join(other.folder, 'set', 'a'), 'other')
  const wrong = await createTorrent(join(other.folder, 'set'), {})
  const server = await serve(t, (response, request) => {
    const path = request.url ?? ''
    if (path === '/wrong.torrent') response.end(wrong)
    else if (path === '/broken.torrent') response.end('d4:infoi3e')
    else if (path === '/huge.torrent') response.end(Buffer.alloc(17 << 20))
    else if (path === '/right.torrent') setTimeout(() => response.end(metainfo), 300)
    else response.writeHead(404).end()
  })
  const client = await newClient(t)
  const paths = ['/wrong.torrent', '/broken.torrent', '/huge.torrent', '/missing.torrent', '/right.torrent']
  const torrent = client.addNow({ magnet: formatMagnet({ infohash, sources: paths.map(server.url) }) })
  await torrent.whenReady(AbortSignal.timeout(30_000))
  assert.equal(torrent.infohash, infohash)
  assert.deepEqual(new Set(server.requests), new Set(paths))
})

test('a magnet cannot make this machine call its own services: nothing but torrent files is asked for there', async t => {
  const { infohash } = await content(t)
  const server = await serve(t, response => void response.end())
  const client = await newClient(t)
  client.addNow({
    magnet: formatMagnet({ infohash, sources: [server.url('/admin?reboot'), server.url('/x.torrent')] }),
  })
  await until('the torrent file is asked for', 10_000, () => server.requests.includes('/x.torrent'))
  await sleep(200)
  assert.deepEqual(server.requests, ['/x.torrent'])
})

describe('the files a magnet selects', () => {
  test('are what download() fetches; status and magnet say so', async t => {
    const { folder, metainfo, infohash } = await content(t)
    const seeder = await newClient(t, folder)
    const seeded = seeder.addNow({ metainfo })
    await seeded.whenReady()
    seeded.download()
    await until('the seed is verified', 30_000, () => seeded.status().storedBytes === 4 * 16384)
    const client = await newClient(t)
    const torrent = client.addNow({
      magnet: formatMagnet({
        infohash,
        selectOnly: [
          { begin: 1, end: 2 },
          { begin: 3, end: 4 },
        ],
        peers: [{ host: '127.0.0.1', port: seeder.port }],
      }),
    })
    assert.deepEqual(torrent.status().selectOnly, [
      { begin: 1, end: 2 },
      { begin: 3, end: 4 },
    ])
    const complete = new Promise<void>(resolve => torrent.once('complete', resolve))
    torrent.download()
    await torrent.whenReady(AbortSignal.timeout(30_000))
    await complete
    assert.deepEqual(
      torrent.files.map(file => file.storedBytes),
      [0, 16384, 0, 16384],
    )
  })
})

/**
 * What a client can be given to add, and what it says of what it cannot use.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import {
  Client,
  formatMagnet,
  parseMagnet,
  parseMetainfo,
  type KnownSource,
  type TorrentSource,
} from '../../src/torrent/index.js'
import { clientOf, folderOf, madeTorrent } from './client-fixture.js'

const HEX = '0123456789abcdef0123456789abcdef01234567'
const BASE32 = 'AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH'

async function serve(
  t: TestContext,
  answer: (response: ServerResponse, request: IncomingMessage) => void,
): Promise<string> {
  const server = createServer((request, response) => answer(response, request))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('adding a torrent', () => {
  it('takes everything that names one, and knows it to be the same', async t => {
    const { metainfo, infohash } = await madeTorrent(t)
    const file = join(await folderOf(t), 'a file.torrent')
    await writeFile(file, metainfo)
    const server = await serve(t, response => void response.end(metainfo))
    const magnet = formatMagnet({ infohash })
    const base32 = toBase32(infohash)
    const sources: Record<string, TorrentSource> = {
      path: file,
      'file URL': pathToFileURL(file),
      'file URL as text': pathToFileURL(file).href,
      'http URL': new URL(`${server}/get?id=7`),
      'http URL as text': `${server}/get?id=7`,
      bytes: metainfo,
      Buffer: Buffer.from(metainfo),
      ArrayBuffer: new Uint8Array(metainfo).buffer,
      parsed: parseMetainfo(metainfo),
      'parsed and cloned': structuredClone({ ...parseMetainfo(metainfo) }),
      magnet,
      'magnet in capitals': magnet.replace('magnet:', 'MAGNET:'),
      'parsed magnet': parseMagnet(magnet),
      'parts of a magnet': { infohash: infohash.toUpperCase() },
      infohash,
      'infohash in capitals': infohash.toUpperCase(),
      'infohash:': `infohash:${infohash}`,
      'infohash in base32': base32,
      'infohash: in base32': `infohash:${base32.toLowerCase()}`,
      '{ metainfo }': { metainfo },
      '{ magnet }': { magnet },
    }
    for (const [what, source] of Object.entries(sources)) {
      const client = await clientOf(t)
      const torrent = await client.add(source)
      assert.equal(torrent.infohash, infohash, what)
      assert.equal(client.get(infohash), torrent, what)
      assert.equal(client.get(base32), torrent, what)
      assert.equal(await client.add(infohash), torrent, what)
      assert.deepEqual([...client.torrents], [torrent], what)
      await client.close()
    }
  })

  it('says what is wrong with what names none, and adds nothing', async t => {
    const folder = await folderOf(t)
    const fifo = join(folder, 'fifo')
    execFileSync('mkfifo', [fifo])
    const broken = join(folder, 'broken.torrent')
    await writeFile(broken, 'd4:infoi3ee')
    const server = await serve(t, (response, request) => {
      if (request.url === '/page?key=secret') response.end('<html>')
      else if (request.url === '/huge') response.end(Buffer.alloc((64 << 20) + 1))
      else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end()
      else response.writeHead(404).end()
    })
    const client = await clientOf(t)
    const cases: [TorrentSource, string, RegExp][] = [
      [join(folder, 'none.torrent'), 'ERR_TORRENTFS_SOURCE', /none\.torrent.*ENOENT/],
      [folder, 'ERR_TORRENTFS_SOURCE', /not a regular file/],
      [fifo, 'ERR_TORRENTFS_SOURCE', /fifo: not a regular file/],
      [broken, 'ERR_TORRENTFS_METAINFO', /broken\.torrent: /],
      ['', 'ERR_TORRENTFS_ARGUMENT', /empty/],
      ['ftp://host/file.torrent', 'ERR_TORRENTFS_ARGUMENT', /"ftp:\/\/host\/file.torrent".*ftp:/],
      ['http://:80/x', 'ERR_TORRENTFS_ARGUMENT', /no valid URL/],
      ['file://elsewhere/x', 'ERR_TORRENTFS_ARGUMENT', /names no file here/],
      ['infohash:12', 'ERR_TORRENTFS_ARGUMENT', /"infohash:12" is no infohash/],
      ['magnet:?dn=x', 'ERR_TORRENTFS_MAGNET', /no infohash/],
      [`${server}/none`, 'ERR_TORRENTFS_SOURCE', /127\.0\.0\.1:\d+\/none: HTTP status 404/],
      [`${server}/page?key=secret`, 'ERR_TORRENTFS_METAINFO', /127\.0\.0\.1:\d+\/page: not a valid/],
      [`${server}/huge`, 'ERR_TORRENTFS_SOURCE', /\/huge: .*more than/],
      [`${server}/loop`, 'ERR_TORRENTFS_SOURCE', /\/loop: .*redirects/],
      ['http://127.0.0.1:1/x', 'ERR_TORRENTFS_SOURCE', /127\.0\.0\.1:1\/x: .*ECONNREFUSED/],
      [undefined as unknown as TorrentSource, 'ERR_TORRENTFS_ARGUMENT', /not undefined/],
      [7 as unknown as TorrentSource, 'ERR_TORRENTFS_ARGUMENT', /not number/],
      [{ metinfo: 1 } as unknown as TorrentSource, 'ERR_TORRENTFS_ARGUMENT', /object with metinfo/],
      [{ info: null } as unknown as TorrentSource, 'ERR_TORRENTFS_ARGUMENT', /object with info/],
      [{ infohash: 'x' }, 'ERR_TORRENTFS_ARGUMENT', /object with infohash/],
    ]
    for (const [source, code, message] of cases) {
      const what = inspect(source)
      const error = await client.add(source).then(
        () => assert.fail(`${what} was added`),
        (error: unknown) => error as Error & { code: string },
      )
      assert.equal(error.code, code, `${what}: ${error.message}`)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /secret/)
    }
    assert.deepEqual([...client.torrents], [])
  })

  it('reads both spellings of an infohash as one', async t => {
    const client = await clientOf(t)
    assert.equal(client.addNow(HEX), client.addNow(BASE32))
    assert.equal(client.get(`infohash:${BASE32}`)?.infohash, HEX)
  })

  it('adds at once only what is at hand', async t => {
    const client = await clientOf(t)
    for (const source of ['some.torrent', 'http://127.0.0.1:1/x'] as KnownSource[]) {
      assert.throws(() => client.addNow(source), { code: 'ERR_TORRENTFS_ARGUMENT', message: /use add/ })
    }
  })

  it('ends a fetch by a signal, and by closing', async t => {
    let asked = 0
    const server = await serve(t, () => void asked++)
    const client = await clientOf(t)
    await assert.rejects(client.add(server, { signal: AbortSignal.abort() }), {
      code: 'ERR_TORRENTFS_ABORTED',
    })
    assert.equal(asked, 0)
    const abort = new AbortController()
    const aborted = client.add(`${server}/a`, { signal: abort.signal })
    setTimeout(() => abort.abort(), 50)
    await assert.rejects(aborted, { code: 'ERR_TORRENTFS_ABORTED' })
    const ended = client.add(`${server}/b`)
    setTimeout(() => void client.close(), 50)
    await assert.rejects(ended, { code: 'ERR_TORRENTFS_CLOSED' })
    await assert.rejects(client.add(HEX), { code: 'ERR_TORRENTFS_CLOSED' })
  })

  it('goes online first: by the rules of the client, of which blocklists take time', async t => {
    const { metainfo } = await madeTorrent(t)
    let asked = 0
    const server = await serve(t, response => {
      asked++
      response.end(metainfo)
    })
    const downloadDir = await folderOf(t)
    const list = join(downloadDir, 'list')
    await writeFile(list, '127.0.0.0/8\n')
    const offline = {
      downloadDir,
      disableDht: true,
      disableLsd: true,
      listenAddr: { host: '127.0.0.1', port: 0 },
    }
    const blocking = new Client({ ...offline, blocklist: [list] })
    t.after(() => blocking.close())
    await assert.rejects(blocking.add(server), { code: 'ERR_TORRENTFS_SOURCE', message: /blocklist/ })
    assert.equal(asked, 0)
    assert.ok(blocking.port > 0)
    await blocking.listen()

    const proxied = new Client({ ...offline, proxy: 'socks5://127.0.0.1:1' })
    t.after(() => proxied.close())
    await assert.rejects(proxied.add(server), { code: 'ERR_TORRENTFS_PROXY' })
    assert.equal(asked, 0)

    const taken = new Client({ ...offline, listenAddr: { host: '127.0.0.1', port: blocking.port } })
    t.after(() => taken.close())
    await assert.rejects(taken.add(metainfo), { code: 'ERR_TORRENTFS_LISTEN' })
    assert.deepEqual([...taken.torrents], [])
    await blocking.close()
    assert.equal((await taken.add(metainfo)).name, 'set')
  })

  it('follows a server to another place', async t => {
    const { metainfo, infohash } = await madeTorrent(t)
    const inner = await serve(t, response => void response.end(metainfo))
    const outer = await serve(t, response => void response.writeHead(302, { location: `${inner}/x` }).end())
    const client = await clientOf(t)
    assert.equal((await client.add(outer)).infohash, infohash)
  })

  it('merges trackers, web seeds and peers of every source of one torrent, and of the options', async t => {
    const { metainfo, infohash } = await madeTorrent(t, undefined, {
      trackers: [['http://192.0.2.1/announce']],
    })
    const client = await clientOf(t, { disableTrackers: false, proxy: 'socks5://127.0.0.1:1' })
    const torrent = client.addNow(
      formatMagnet({
        infohash,
        trackers: [['http://192.0.2.2/announce']],
        webSeeds: ['http://192.0.2.3/'],
        peers: [{ host: '192.0.2.4', port: 1 }],
      }),
    )
    assert.equal(await client.add(metainfo), torrent)
    const options = {
      trackers: [['http://192.0.2.5/announce', 'http://192.0.2.1/announce']],
      webSeeds: ['http://192.0.2.6/'],
      peers: [{ host: '192.0.2.7', port: 1 }],
    }
    assert.equal(client.addNow(infohash, options), torrent)
    assert.notEqual(torrent.info, undefined)
    const { trackers, webSeeds, knownAddresses } = torrent.status()
    assert.deepEqual(
      trackers.map(({ url }) => new URL(url).hostname),
      ['192.0.2.2', '192.0.2.1', '192.0.2.5'],
    )
    assert.deepEqual(
      webSeeds.map(({ url }) => new URL(url).hostname),
      ['192.0.2.3', '192.0.2.6'],
    )
    assert.equal(knownAddresses, 2)
  })
})

function toBase32(hex: string): string {
  let bits = BigInt(`0x${hex}`)
  let text = ''
  for (let digit = 0; digit < 32; digit++, bits >>= 5n)
    text = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number(bits & 31n)]! + text
  return text
}

/**
 * What is said of options that cannot be.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Client, MemoryStorage, type ClientOptions } from '../../src/torrent/index.js'
import { madeTorrent } from './client-fixture.js'

const peer = { host: '127.0.0.1', port: 1 }

/** Options that cannot be, and what the message must say. */
const cases: [object, RegExp][] = [
  [{}, /^downloadDir: a folder is needed, or a storage$/],
  [{ downloadDir: '' }, /^downloadDir: a folder is needed, not ""$/],
  [{ downloadDir: 7 }, /^downloadDir: .*not 7$/],
  [
    { downloadDir: 'x', dowloadDir: 'y' },
    /^dowloadDir: no such option of a client; did you mean downloadDir\?$/,
  ],
  [{ downloadDir: 'x', maxpeers: 3 }, /^maxpeers: .*did you mean maxPeers\?$/],
  [{ downloadDir: 'x', colour: 'red' }, /^colour: no such option of a client$/],
  [{ downloadDir: 'x', __proto__x: 1 }, /^__proto__x: no such option/],
  [{ downloadDir: 'x', toString: 1 }, /^toString: no such option/],
  [{ downloadDir: 'x', disableDht: 'yes' }, /^disableDht: true or false is needed, not "yes"$/],
  [{ downloadDir: 'x', disableDht: null }, /^disableDht: .*not null$/],
  [{ downloadDir: 'x', maxPeers: 0 }, /^maxPeers: a whole number of at least 1 is needed, not 0$/],
  [{ downloadDir: 'x', maxPeers: 1.5 }, /^maxPeers: .*not 1\.5$/],
  [{ downloadDir: 'x', maxPeersPerTorrent: '5' }, /^maxPeersPerTorrent: .*not "5"$/],
  [{ downloadDir: 'x', readaheadBytes: -1 }, /^readaheadBytes: /],
  [{ downloadDir: 'x', memoryBytes: NaN }, /^memoryBytes: .*not NaN$/],
  [{ downloadDir: 'x', maxUploadRate: Infinity }, /^maxUploadRate: .*not Infinity$/],
  [{ downloadDir: 'x', testPeers: peer }, /^testPeers: a list is needed, not an object$/],
  [
    { downloadDir: 'x', testPeers: [peer, { host: 'h', port: 0 }] },
    /^testPeers\[1\]\.port: a port from 1 to 65535/,
  ],
  [{ downloadDir: 'x', testPeers: ['h:1'] }, /^testPeers\[0\]: a host and a port are needed, not "h:1"$/],
  [{ downloadDir: 'x', dhtBootstrap: [{ port: 1 }] }, /^dhtBootstrap\[0\]\.host: .*not undefined$/],
  [{ downloadDir: 'x', listenAddr: { port: 70_000 } }, /^listenAddr\.port: .*not 70000$/],
  [{ downloadDir: 'x', proxy: 'ftp://h' }, /^proxy: /],
  [{ downloadDir: 'x', blocklist: [''] }, /^blocklist\[0\]: /],
  [
    { downloadDir: 'x', encryption: 'maybe' },
    /^encryption: one of prefer, require, disable is needed, not "maybe"$/,
  ],
  [{ downloadDir: 'x', bindInterface: '' }, /^bindInterface: /],
  [{ storage: {} }, /^storage: an object with open\(\), close\(\) is needed/],
  [{ downloadDir: 'x', logger: console.log }, /^logger: .*not a function$/],
  [{ downloadDir: 'x', disableTcp: true, disableUtp: true }, /^disableTcp: /],
  [{ storage: new MemoryStorage(), blocklist: ['http://h/l'] }, /^blocklist: a URL needs a downloadDir/],
]

describe('the options of a client', () => {
  it('are each named when they cannot be, also when they are misspelt', () => {
    for (const [options, message] of cases) {
      assert.throws(() => new Client(options), { code: 'ERR_TORRENTFS_ARGUMENT', message })
    }
    assert.throws(() => new Client(undefined as unknown as ClientOptions), {
      message: /a client: an object is needed/,
    })
  })

  it('may be undefined, which is not to be given', async () => {
    const options = { downloadDir: 'nowhere', maxPeers: undefined, logger: undefined }
    await new Client(options as unknown as ClientOptions).close()
  })

  it('need no folder with a storage: then nothing is kept on disk', async t => {
    const folder = await mkdtemp(join(tmpdir(), 'torrentfs-options-'))
    const before = process.cwd()
    process.chdir(folder)
    t.after(async () => {
      process.chdir(before)
      await rm(folder, { recursive: true })
    })
    const { metainfo } = await madeTorrent(t)
    const client = new Client({
      storage: new MemoryStorage(),
      disableTrackers: true,
      disableLsd: true,
      dhtBootstrap: [],
      listenAddr: { host: '127.0.0.1', port: 0 },
    })
    await client.listen()
    const torrent = client.addNow(metainfo)
    await torrent.whenReady()
    await client.remove(torrent, { deleteData: true })
    await client.close()
    assert.deepEqual(await readdir(folder), [])
  })
})

describe('the options of add and remove', () => {
  it('are named when they cannot be', async t => {
    const client = new Client({ storage: new MemoryStorage() })
    t.after(() => client.close())
    const infohash = '0'.repeat(40)
    const bad = (options: object, message: RegExp): void =>
      assert.throws(() => client.addNow(infohash, options), { code: 'ERR_TORRENTFS_ARGUMENT', message })
    bad({ superseeding: true }, /^superseeding: no such option of add; did you mean superSeeding\?$/)
    bad({ trackers: ['http://h/announce'] }, /^trackers\[0\]: a list is needed/)
    bad({ peers: [{ host: 'h', port: 0 }] }, /^peers\[0\]\.port: /)
    bad({ webSeeds: [7] }, /^webSeeds\[0\]: /)
    bad({ webSeeds: ['ftp://h/'] }, /^webSeeds: /)
    await assert.rejects(client.add(infohash, { signal: 1 } as never), { message: /^signal: / })
    await assert.rejects(client.remove(infohash, { deletedata: true } as never), {
      message: /did you mean deleteData/,
    })
    assert.deepEqual([...client.torrents], [])
  })
})

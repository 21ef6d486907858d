/**
 * Our library and the programs people use, where those take encrypted connections alone: both directions, whoever calls.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Client, type EncryptionPolicy, type Protection, type Torrent } from '../../src/torrent/index.js'
import { Aria2 } from '../support/aria2.js'
import { eventually } from '../support/child.js'
import { awkwardFolder, sha256OfFile, type TestTorrent } from '../support/content.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network } from '../support/network.js'
import { Opentracker } from '../support/opentracker.js'
import { skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'
import { Transmission } from '../support/transmission.js'

const skip = skipWithout('namespaces', 'libtorrent', 'transmission', 'aria2c', 'opentracker')
const limit = { timeout: 120_000 }
const DEADLINE_MS = 60_000

/** libtorrent's own numbers. */
const FORCED = { in_enc_policy: 0, out_enc_policy: 0 }
const ENABLED = { in_enc_policy: 1, out_enc_policy: 1 }
const RC4_ONLY = { ...FORCED, allowed_enc_level: 2 }
const EITHER = { ...ENABLED, allowed_enc_level: 3 }
const RC4_FLAG = 0x80000

type Caller = 'we call it' | 'it calls us'

describe('peers that insist on encryption', { skip }, () => {
  const scope = new Scope()
  let network: Network
  let torrent: TestTorrent
  let metainfo: Uint8Array

  before(async () => {
    network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    torrent = await maker.make(scope.folder(), awkwardFolder('encrypted', 6), { pieceLength: 65536 })
    metainfo = readFileSync(torrent.file)
  })
  after(() => scope.close())

  const compare = async (folder: string): Promise<void> => {
    for (const file of torrent.files) {
      if (file.length === 0) continue // transmission makes none of them
      const expected = await sha256OfFile(join(torrent.source, ...file.path))
      assert.equal(await sha256OfFile(join(folder, ...file.path)), expected, file.path.join('/'))
    }
  }

  /** Ours, at the address that trackers see this process at. It ends with the test, by `close`. */
  const ours = async (
    downloadDir: string,
    encryption: EncryptionPolicy,
    testPeers: { host: string; port: number }[] = [],
  ): Promise<{ client: Client; torrent: Torrent; address: string }> => {
    const { address } = network
    const client = new Client({
      downloadDir,
      encryption,
      testPeers,
      disableTrackers: true,
      listenAddr: { host: address, port: 0 },
    })
    scope.defer(() => client.close())
    await client.listen()
    const added = client.addNow({ metainfo })
    await added.whenReady()
    return { client, torrent: added, address }
  }

  const complete = (own: Torrent): Promise<unknown> =>
    eventually('we have everything', DEADLINE_MS, () => {
      const stored = own.files.reduce((sum, file) => sum + file.storedBytes, 0)
      return Promise.resolve(stored === torrent.length)
    })

  /** Ours, with everything. */
  const seeding = async (
    encryption: EncryptionPolicy,
    testPeers: { host: string; port: number }[],
  ): Promise<{ client: Client; torrent: Torrent; address: string }> => {
    const folder = scope.folder()
    cpSync(torrent.source, folder, { recursive: true })
    const seeder = await ours(folder, encryption, testPeers)
    seeder.torrent.download()
    await complete(seeder.torrent)
    return seeder
  }

  /** How the connections of a torrent are protected, from when there are any. */
  const protections = (own: Torrent): Promise<(Protection | undefined)[]> =>
    eventually('connected', DEADLINE_MS, () => {
      const { peers } = own.status()
      return Promise.resolve(peers.length === 0 ? undefined : peers.map(peer => peer.encryption))
    })

  /** Downloads slowly enough to be looked at meanwhile. */
  const slow = { downloadLimit: 4_000_000 }

  for (const [what, settings, policy, expected] of [
    ['a libtorrent with RC4 forced', RC4_ONLY, 'prefer', 'rc4'],
    ['a libtorrent with RC4 forced', RC4_ONLY, 'require', 'rc4'],
    ['a libtorrent that allows all', EITHER, 'require', 'rc4'],
  ] as const) {
    for (const caller of ['we call it', 'it calls us'] satisfies Caller[]) {
      it(`we download from ${what}, with ${policy}, when ${caller}`, limit, async () => {
        const host = network.host('seeder')
        const peer = await Libtorrent.start(host, { ...settings, upload_rate_limit: 4_000_000 })
        await peer.seed(torrent)
        const folder = scope.folder()
        const pinned = caller === 'we call it' ? [{ host: peer.address, port: peer.port }] : []
        const own = await ours(folder, policy, pinned)
        own.torrent.download()
        if (caller === 'it calls us') await peer.connect(torrent.infohash, own.address, own.client.port)
        assert.deepEqual(await protections(own.torrent), [expected])
        await complete(own.torrent)
        await compare(folder)
        await own.client.close()
        await peer.stop()
      })

      it(`${what} downloads from us, with ${policy}, when ${caller}`, limit, async () => {
        const host = network.host('leecher')
        const peer = await Libtorrent.start(host, settings)
        const folder = scope.folder()
        await peer.add({ torrent: torrent.file, folder, trackers: [], ...slow })
        const pinned = caller === 'we call it' ? [{ host: peer.address, port: peer.port }] : []
        const own = await seeding(policy, pinned)
        if (caller === 'it calls us') await peer.connect(torrent.infohash, own.address, own.client.port)
        assert.deepEqual(await protections(own.torrent), [expected])
        await eventually('it says so, too', DEADLINE_MS, async () => {
          const answer = await peer.ask('peers', { infohash: torrent.infohash })
          return (answer['peers'] as { flags: number }[]).some(({ flags }) => (flags & RC4_FLAG) !== 0)
        })
        await peer.until(torrent.infohash, status => status.seeding, DEADLINE_MS, 'complete')
        await compare(folder)
        await own.client.close()
        await peer.stop()
      })
    }
  }

  it(
    'a libtorrent that allows all and calls us gets a plain stream behind its encrypted handshake',
    limit,
    async () => {
      const peer = await Libtorrent.start(network.host('header'), EITHER)
      const folder = scope.folder()
      await peer.add({ torrent: torrent.file, folder, trackers: [], ...slow })
      const own = await seeding('prefer', [])
      await peer.connect(torrent.infohash, own.address, own.client.port)
      assert.deepEqual(await protections(own.torrent), ['header'])
      await peer.until(torrent.infohash, status => status.seeding, DEADLINE_MS, 'complete')
      await compare(folder)
      await own.client.close()
      await peer.stop()
    },
  )

  it('a libtorrent without encryption and one of ours that requires it do not meet', limit, async () => {
    const peer = await Libtorrent.start(network.host('plain'), { in_enc_policy: 2, out_enc_policy: 2 })
    await peer.seed(torrent)
    const own = await ours(scope.folder(), 'require')
    await peer.connect(torrent.infohash, own.address, own.client.port)
    await eventually('turned away', DEADLINE_MS, async () => {
      return (await peer.log()).some(line => line.includes('peer_disconnected'))
    })
    assert.deepEqual(own.torrent.status().peers, [])
    await own.client.close()
    await peer.stop()
  })

  describe('transmission and aria2', () => {
    let tracker: Opentracker

    before(async () => {
      tracker = await Opentracker.start(scope, network.host('tracker'), [torrent.infohash])
    })

    /** Tells the tracker of ours, once: from then on others call it. */
    const announce = async (own: { client: Client }): Promise<void> => {
      const infohash = torrent.infohash.replace(/../g, '%$&')
      const query = `info_hash=${infohash}&peer_id=-TF0000-000000000000&port=${own.client.port}&uploaded=0&downloaded=0`
      const url = `${tracker.httpUrl}?${query}&left=0&event=started`
      assert.equal((await fetch(url)).status, 200)
    }

    const REQUIRED = { encryption: 2 }
    const CRYPTO = ['--bt-require-crypto=true', '--bt-min-crypto-level=arc4']

    it('we download from a transmission that requires encryption', limit, async () => {
      const peer = await Transmission.start(scope, network.host('transmission'), REQUIRED)
      await peer.seed(torrent)
      const folder = scope.folder()
      const own = await ours(folder, 'prefer', [{ host: peer.address, port: peer.port }])
      own.torrent.download()
      await complete(own.torrent)
      await compare(folder)
      await own.client.close()
      await peer.stop()
    })

    for (const caller of ['we call it', 'it calls us'] satisfies Caller[]) {
      it(`a transmission that requires encryption downloads from us, when ${caller}`, limit, async () => {
        const peer = await Transmission.start(scope, network.host('transmission'), REQUIRED)
        const folder = join(scope.folder(), 'downloads')
        mkdirSync(folder)
        await peer.add({ torrent: torrent.file }, folder)
        const calls = caller === 'we call it' ? [{ host: peer.address, port: peer.port }] : []
        const own = await seeding('prefer', calls)
        if (caller === 'it calls us') {
          await announce(own)
          await peer.addTracker(torrent.infohash, tracker.httpUrl)
        }
        await peer.until(torrent.infohash, status => status.percentDone === 1, DEADLINE_MS, 'complete')
        await compare(folder)
        await own.client.close()
        await peer.stop()
      })
    }

    it('we download from an aria2 that requires encryption', limit, async () => {
      const peer = await Aria2.seed(network.host('aria2'), {
        source: torrent.file,
        folder: torrent.source,
        args: CRYPTO,
      })
      const folder = scope.folder()
      const own = await ours(folder, 'prefer', [{ host: peer.address, port: peer.port }])
      own.torrent.download()
      await complete(own.torrent)
      await compare(folder)
      await own.client.close()
      await peer.stop()
    })

    for (const caller of ['we call it', 'it calls us'] satisfies Caller[]) {
      it(`an aria2 that requires encryption downloads from us, when ${caller}`, limit, async () => {
        const host = network.host('aria2')
        const calls = caller === 'we call it' ? [{ host: host.address, port: 6891 }] : []
        const own = await seeding('prefer', calls)
        if (caller === 'it calls us') await announce(own)
        const folder = scope.folder()
        const trackers = caller === 'it calls us' ? [`--bt-tracker=${tracker.httpUrl}`] : []
        const peer = Aria2.download(host, { source: torrent.file, folder, args: [...CRYPTO, ...trackers] })
        await peer.completed(DEADLINE_MS)
        await compare(folder)
        await own.client.close()
      })
    }
  })
})

/**
 * Files read as streams, and before they are verified, where a libtorrent session in a network namespace seeds them.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { Client, type Torrent } from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network } from '../support/network.js'
import { skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'

const MIB = 1024 * 1024
const PIECE = 2 * MIB

describe('a file that libtorrent seeds', { skip: skipWithout('namespaces', 'libtorrent') }, () => {
  const scope = new Scope()
  let torrent: Torrent
  let source: string
  let content: Buffer

  before(async () => {
    const network = Network.create(scope)
    const maker = await Libtorrent.maker(scope)
    const layout = { name: 'film.bin', files: [{ path: [], length: 9 * MIB + 77 }] }
    const made = await maker.make(scope.folder(), layout, { pieceLength: PIECE })
    source = join(made.source, made.name)
    content = readFileSync(source)
    const host = network.host('seeder')
    const seeder = await Libtorrent.start(host)
    // Checked whole before it serves: a session that is told to be a seed hashes each piece when it is asked for first.
    await seeder.add({ torrent: made.file, folder: made.source })
    await seeder.until(made.infohash, status => status.seeding, 30_000, 'checked')
    const client = new Client({
      downloadDir: scope.folder(),
      disableDht: true,
      disableLsd: true,
      disableTrackers: true,
      listenAddr: { host: network.ownAddress(), port: 0 },
      testPeers: [{ host: host.address, port: seeder.port }],
    })
    scope.defer(() => client.close())
    await client.listen()
    torrent = await client.add(made.file)
    await torrent.whenReady()
  })
  after(() => scope.close())

  it(
    'comes whole as a stream of Node and of the web, and sooner unverified',
    { timeout: 60_000 },
    async () => {
      const file = torrent.files[0]!
      const head = Buffer.alloc(70_000)
      using reader = file.createReader({ unverified: true })
      await reader.readAt(head, MIB)
      assert.ok(head.equals(content.subarray(MIB, MIB + head.length)))
      const [begin, end] = [PIECE - 1000, 2 * PIECE + 1000]
      const part = await buffer(file.createReadStream({ start: begin, end: end - 1 }))
      assert.ok(part.equals(content.subarray(begin, end)))
      assert.equal(torrent.status().storedBytes, 3 * PIECE)
      const rest = Buffer.from(await new Response(file.stream({ end: 3 * PIECE - 1 })).arrayBuffer())
      assert.ok(rest.equals(content.subarray(0, 3 * PIECE)))
      assert.equal(torrent.status().wastedBytes, 0)
    },
  )

  it('is wrong for unverified readers alone when the seeder lies', { timeout: 60_000 }, async () => {
    const file = torrent.files[0]!
    const lie = Buffer.alloc(1000, 'lie')
    const descriptor = openSync(source, 'r+')
    writeSync(descriptor, lie, 0, lie.length, 3 * PIECE + 50_000)
    closeSync(descriptor)
    using eager = file.createReader({ unverified: true })
    const got = Buffer.alloc(lie.length)
    await eager.readAt(got, 3 * PIECE + 50_000)
    assert.ok(got.equals(lie))
    using careful = file.createReader()
    const read = careful.readAt(got, 3 * PIECE + 50_000, { timeoutMs: 3000 })
    await until('it is banned', 20_000, () => torrent.status().wasted.hashFailed > 0)
    await assert.rejects(read, { code: 'ERR_TORRENTFS_READ_TIMEOUT' })
    assert.equal(torrent.status().storedBytes, 3 * PIECE)
  })
})

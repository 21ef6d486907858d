/**
 * What listeners are told of what happens inside.
 */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { hooks, type Torrent } from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { clientOf, madeTorrent } from './client-fixture.js'
import { seededTorrent } from './webseed/seeded-torrent.js'

/** Notes what is told of one torrent: the channel and, where there is one, the piece. */
class Notes {
  readonly all: { readonly name: string; readonly message: Record<string, unknown> }[] = []

  constructor(t: TestContext) {
    for (const hook of Object.values(hooks)) {
      const end = hook.subscribe((message: object) => {
        this.all.push({ name: hook.name, message: message as Record<string, unknown> })
      })
      t.after(end)
    }
  }

  of(torrent: Torrent): string[] {
    return this.all.filter(({ message }) => message.torrent === torrent).map(({ name }) => name)
  }

  messages(torrent: Torrent, name: string): Record<string, unknown>[] {
    return this.all
      .filter(note => note.message.torrent === torrent && note.name === `torrentfs:${name}`)
      .map(({ message: { torrent: _, ...rest } }) => rest)
  }
}

describe('the hooks', () => {
  it('tell the life of a torrent, its connections and its pieces, on both sides', async t => {
    const notes = new Notes(t)
    const { metainfo, downloadDir } = await madeTorrent(t, { file: 50_000 })
    const seeder = await clientOf(t, { downloadDir })
    const seeded = seeder.addNow(metainfo)
    await seeded.whenReady()
    seeded.download()
    await until('the seed is verified', 20_000, () => seeded.status().storedBytes === 50_000)
    const peers = [{ host: '127.0.0.1', port: seeder.port }]
    const client = await clientOf(t)
    const torrent = client.addNow(metainfo, { peers })
    await torrent.whenReady()
    torrent.download()
    await until('it is complete', 20_000, () => notes.of(torrent).includes('torrentfs:torrent:complete'))
    await client.remove(torrent)
    await until('the other one knows', 20_000, () => notes.of(seeded).includes('torrentfs:peer:disconnected'))

    const pieces = (of: Torrent): unknown[] => notes.messages(of, 'piece:stored').map(({ piece }) => piece)
    assert.deepEqual(pieces(torrent).sort(), [0, 1, 2, 3])
    assert.deepEqual(pieces(seeded).sort(), [0, 1, 2, 3])
    const names = notes.of(torrent)
    assert.equal(names[0], 'torrentfs:torrent:added')
    assert.ok(names.indexOf('torrentfs:torrent:removed') > names.indexOf('torrentfs:torrent:complete'))
    assert.ok(names.includes('torrentfs:torrent:ready'))
    await until('the connection has ended', 20_000, () =>
      notes.of(torrent).includes('torrentfs:peer:disconnected'),
    )
    const address = `127.0.0.1:${seeder.port}`
    const connection = { address, source: 'magnet', incoming: false, transport: 'tcp', encryption: 'plain' }
    assert.deepEqual(notes.messages(torrent, 'peer:connected'), [connection])
    const [gone] = notes.messages(torrent, 'peer:disconnected')
    assert.deepEqual(
      { ...gone, reason: undefined },
      { ...connection, reason: undefined, downloaded: 50_000, uploaded: 0 },
    )
    const [other] = notes.messages(seeded, 'peer:disconnected')
    assert.deepEqual([other?.incoming, other?.source, other?.uploaded], [true, 'incoming', 50_000])
  })

  it('tell of trackers that answer and that do not, and of addresses that lead nowhere', async t => {
    const notes = new Notes(t)
    const server = createServer((request, response) => {
      response.end(
        request.url?.startsWith('/announce') === true
          ? 'd8:completei3e10:incompletei4e8:intervali1800e5:peers6:\x7f\x00\x00\x01\x00\x01e'
          : 'd14:failure reason6:go off5:e',
      )
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { metainfo } = await madeTorrent(t)
    const client = await clientOf(t, { disableTrackers: false, disableUtp: true })
    const trackers = [[`${base}/announce`], ['http://127.0.0.1:1/announce']]
    const torrent = client.addNow(metainfo, { trackers })
    torrent.download()
    await until(
      'both were announced to',
      20_000,
      () => notes.messages(torrent, 'tracker:announced').length >= 2,
    )
    await until(
      'the address was called',
      20_000,
      () => notes.messages(torrent, 'peer:unreachable').length > 0,
    )
    const announces = notes.messages(torrent, 'tracker:announced')
    const good = announces.find(({ url }) => url === trackers[0]![0])
    assert.deepEqual(good, {
      url: trackers[0]![0],
      event: 'started',
      addresses: 1,
      seeders: 3,
      leechers: 4,
      error: undefined,
    })
    const bad = announces.find(({ url }) => url === trackers[1]![0])
    assert.match(String(bad?.error), /ECONNREFUSED/)
    assert.deepEqual([bad?.addresses, bad?.seeders], [0, undefined])
    const [unreachable] = notes.messages(torrent, 'peer:unreachable')
    assert.deepEqual([unreachable?.address, unreachable?.source], ['127.0.0.1:1', 'tracker'])
  })

  it('can be listened to by their names, and no longer', async t => {
    const heard: unknown[] = []
    const listener = (message: unknown): void => void heard.push(message)
    subscribe('torrentfs:torrent:added', listener)
    const client = await clientOf(t)
    const torrent = client.addNow('0'.repeat(40))
    assert.deepEqual(heard, [{ torrent }])
    assert.equal(unsubscribe('torrentfs:torrent:added', listener), true)
    client.addNow('1'.repeat(40))
    assert.equal(heard.length, 1)
    let made = 0
    const end = hooks.torrentAdded.subscribe(() => made++)
    end()
    client.addNow('2'.repeat(40))
    assert.equal(made, 0)
  })

  it('make no message that nobody listens to', () => {
    const make = (): never => assert.fail('a message was made')
    for (const hook of Object.values(hooks)) hook.publish(make)
  })

  it('tell of a piece that fails its hash', async t => {
    const notes = new Notes(t)
    const { server, torrent, content, pieceLength } = await seededTorrent(t)
    const wrong = Buffer.from(content)
    wrong[pieceLength + 5]! ^= 1
    server.files.set('/file', wrong)
    torrent.download()
    await until('a piece failed', 20_000, () => notes.messages(torrent, 'piece:failed').length > 0)
    assert.deepEqual(notes.messages(torrent, 'piece:failed')[0], { piece: 1 })
    assert.equal(torrent.status().wasted.hashFailed, pieceLength)
  })
})

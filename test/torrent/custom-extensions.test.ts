/**
 * Extensions of the wire protocol that users bring along, between two clients.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  Client,
  MAX_EXTENSION_BACKLOG,
  MAX_EXTENSION_MESSAGE,
  MemoryStorage,
  type ClientOptions,
  type CustomExtension,
  type ExtensionChannel,
  type Logger,
  type Torrent,
} from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { clientOf, madeTorrent } from './client-fixture.js'

/** An extension that notes what happens. */
class Noted implements CustomExtension {
  readonly name: string
  readonly maxMessageBytes: number
  readonly events: string[] = []
  readonly channels: ExtensionChannel[] = []

  constructor(name = 'xx_test', maxMessageBytes = 100) {
    this.name = name
    this.maxMessageBytes = maxMessageBytes
  }

  onHandshake(peer: ExtensionChannel): void {
    this.events.push('handshake')
    this.channels.push(peer)
  }

  onMessage(_peer: ExtensionChannel, bytes: Uint8Array): void {
    this.events.push(`message ${bytes.length <= 100 ? Buffer.from(bytes).toString() : bytes.length}`)
  }

  onClose(): void {
    this.events.push('close')
  }
}

interface Pair {
  readonly one: { readonly client: Client; readonly torrent: Torrent }
  readonly two: { readonly client: Client; readonly torrent: Torrent }
}

/** Two clients of one torrent, the second of which calls the first. Neither has anything of it. */
async function pair(
  t: TestContext,
  first: readonly CustomExtension[],
  second: readonly CustomExtension[],
  o: { readonly magnet?: boolean; readonly options?: Partial<ClientOptions> } = {},
): Promise<Pair> {
  const { metainfo, infohash } = await madeTorrent(t)
  const source = o.magnet === true ? infohash : metainfo
  const one = await clientOf(t, { extensions: first, ...o.options })
  const two = await clientOf(t, { extensions: second, testPeers: [{ host: '127.0.0.1', port: one.port }] })
  const torrents = [one.addNow(source), two.addNow(source)] as const
  if (o.magnet !== true) for (const torrent of torrents) await torrent.whenReady()
  // Two that want nothing of each other would part.
  torrents[1].download()
  return { one: { client: one, torrent: torrents[0] }, two: { client: two, torrent: torrents[1] } }
}

describe('an extension of the user', () => {
  for (const magnet of [false, true]) {
    it(`carries messages both ways ${magnet ? 'before the metadata is known' : 'and tells of the end'}`, async t => {
      const [a, b] = [new Noted(), new Noted()]
      const { one, two } = await pair(t, [new Noted('xx_other'), a], [b], { magnet })
      await until('both have greeted', 20_000, () => a.channels.length === 1 && b.channels.length === 1)
      const [channel] = b.channels
      assert.equal(channel!.torrent, two.torrent)
      assert.equal(channel!.incoming, false)
      assert.equal(a.channels[0]!.incoming, true)
      assert.equal(channel!.address, `127.0.0.1:${one.client.port}`)
      assert.match(channel!.client ?? '', /^torrentfs /)
      assert.equal(channel!.send(Buffer.from('hello')), true)
      for (const peer of one.torrent.extensionPeers('xx_test'))
        assert.equal(peer.send(Buffer.from('hi')), true)
      assert.deepEqual([...one.torrent.extensionPeers('xx_other')], [], 'the other one does not take it')
      assert.deepEqual([...one.torrent.extensionPeers('xx_none')], [])
      await until('both heard', 20_000, () => a.events.length === 2 && b.events.length === 2)
      assert.deepEqual(a.events, ['handshake', 'message hello'])
      assert.deepEqual(b.events, ['handshake', 'message hi'])
      await one.client.close()
      await until('the end is known', 20_000, () => a.events.includes('close') && b.events.includes('close'))
      assert.equal(channel!.closed, true)
      assert.equal(channel!.send(Buffer.from('late')), false)
      assert.deepEqual([...two.torrent.extensionPeers('xx_test')], [])
    })
  }

  it('takes no message that is longer than it wants: who sends one is disconnected', async t => {
    const [a, b] = [new Noted('xx_test', 100), new Noted('xx_test', MAX_EXTENSION_MESSAGE)]
    await pair(t, [a], [b])
    await until('they have greeted', 20_000, () => b.channels.length === 1 && a.channels.length === 1)
    b.channels[0]!.send(Buffer.alloc(100, 'x'))
    b.channels[0]!.send(Buffer.alloc(101, 'x'))
    await until('it is disconnected', 20_000, () => a.events.includes('close'))
    assert.deepEqual(a.events, ['handshake', `message ${'x'.repeat(100)}`, 'close'])
    assert.throws(() => b.channels[0]!.send(Buffer.alloc(MAX_EXTENSION_MESSAGE + 1)), {
      code: 'ERR_TORRENTFS_ARGUMENT',
    })
  })

  it('carries messages of up to a mebibyte, and says when a peer does not keep up', async t => {
    const [a, b] = [new Noted('xx_test', MAX_EXTENSION_MESSAGE), new Noted()]
    await pair(t, [a], [b])
    await until('they have greeted', 20_000, () => b.channels.length === 1 && a.channels.length === 1)
    let sent = 0
    // Nothing leaves while we do not let go.
    while (b.channels[0]!.send(Buffer.alloc(MAX_EXTENSION_MESSAGE))) assert.ok(++sent < 100)
    assert.ok(sent >= 1 && (sent - 1) * MAX_EXTENSION_MESSAGE <= MAX_EXTENSION_BACKLOG, `${sent} were sent`)
    await until('they have come', 20_000, () => a.events.length === 1 + sent)
    assert.equal(a.events.at(-1), `message ${MAX_EXTENSION_MESSAGE}`)
    assert.equal(b.channels[0]!.send(Buffer.from('on')), true)
  })

  it('may throw: that is logged, and the connection goes on', async t => {
    const errors: object[] = []
    const nothing = (): void => undefined
    const logger: Logger = {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: fields => errors.push(fields),
    }
    const clumsy = new Noted()
    clumsy.onMessage = () => {
      throw new Error('clumsy')
    }
    const [well, b] = [new Noted('xx_well'), new Noted()]
    const other = new Noted('xx_well')
    await pair(t, [clumsy, well], [b, other], { options: { logger } })
    await until('they have greeted', 20_000, () => b.channels.length === 1 && other.channels.length === 1)
    b.channels[0]!.send(Buffer.from('x'))
    other.channels[0]!.send(Buffer.from('y'))
    await until('the other one heard', 20_000, () => well.events.includes('message y'))
    assert.deepEqual(errors, [{ extension: 'xx_test', error: 'clumsy' }])
  })

  it('may disconnect a peer for good', async t => {
    const [a, b] = [new Noted(), new Noted()]
    const { one, two } = await pair(t, [a], [b])
    await until('they have greeted', 20_000, () => b.channels.length === 1)
    b.channels[0]!.disconnect('is a bore', { ban: true })
    await until('both know', 20_000, () => {
      return b.events.length === 2 && one.torrent.status().peers.length === 0
    })
    assert.deepEqual(b.events, ['handshake', 'close'])
    assert.equal(two.torrent.status().peers.length, 0)
  })

  it('needs a name of its own, a function and a size that can be', () => {
    const onMessage = (): void => undefined
    const bad: [unknown, RegExp][] = [
      [{}, /^extensions: a list/],
      [[null], /^extensions\[0\]\.name: /],
      [[{ name: '', onMessage }], /^extensions\[0\]\.name: /],
      [[{ name: 'ä', onMessage }], /^extensions\[0\]\.name: /],
      [[{ name: 'ut_pex', onMessage }], /ut_pex is taken/],
      [
        [
          { name: 'a', onMessage },
          { name: 'a', onMessage },
        ],
        /^extensions\[1\]\.name: a is taken/,
      ],
      [[{ name: 'a' }], /^extensions\[0\]\.onMessage: /],
      [[{ name: 'a', onMessage, maxMessageBytes: 0 }], /^extensions\[0\]\.maxMessageBytes: /],
      [[{ name: 'a', onMessage, maxMessageBytes: 1024 * 1024 }], /^extensions\[0\]\.maxMessageBytes: /],
      [Array.from({ length: 33 }, (_, i) => ({ name: `a${i}`, onMessage })), /more than 32/],
    ]
    for (const [extensions, message] of bad) {
      const options = { storage: new MemoryStorage(), extensions: extensions as readonly CustomExtension[] }
      assert.throws(() => new Client(options), { code: 'ERR_TORRENTFS_ARGUMENT', message })
    }
  })
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Client, type ClientOptions } from '../../src/torrent/index.js'
import { until } from '../support/fs-process.js'
import { twoClients } from './two-clients.js'

const limit = { timeout: 120_000 }

const v6 = { listenAddr: { host: '::1', port: 0 } }

for (const [what, seeder, fetcher, transport] of [
  ['two clients that may speak both speak TCP', {}, {}, 'tcp'],
  ['two that may speak uTP alone speak it', { disableTcp: true }, { disableTcp: true }, 'utp'],
  ['who may be called by uTP alone is found out', { disableTcp: true }, {}, 'utp'],
  ['who calls by uTP alone is let in', {}, { disableTcp: true }, 'utp'],
  ['who may speak TCP alone is called by it', { disableUtp: true }, {}, 'tcp'],
  ['uTP goes over IPv6', { ...v6, disableTcp: true }, v6, 'utp'],
  ['uTP is encrypted', { disableTcp: true, encryption: 'require' }, { encryption: 'require' }, 'utp'],
] as const satisfies readonly [string, Partial<ClientOptions>, Partial<ClientOptions>, string][]) {
  test(`${what}, and all bytes come`, limit, async t => {
    const content = randomBytes(3_000_000)
    const { seeded, torrent, path } = await twoClients(t, content, 65536, undefined, { seeder, fetcher })
    // When both have everything they part.
    const seen = new Set<string>()
    torrent.on('stored', () => {
      for (const peer of [...torrent.status().peers, ...seeded.status().peers]) seen.add(peer.transport)
    })
    torrent.download()
    await until('all is stored', 60_000, () => torrent.files[0]!.storedBytes === content.length)
    assert.deepEqual(await readFile(path), content)
    assert.deepEqual([...seen], [transport])
  })
}

for (const [what, seeder, fetcher] of [
  ['who may speak TCP alone and who may speak uTP alone', { disableUtp: true }, { disableTcp: true }],
  ['who may speak uTP alone and who may speak TCP alone', { disableTcp: true }, { disableUtp: true }],
] as const) {
  test(`${what} do not meet`, limit, async t => {
    const { torrent } = await twoClients(t, randomBytes(100_000), 65536, undefined, { seeder, fetcher })
    torrent.download()
    await sleep(1500)
    assert.deepEqual(torrent.status().peers, [])
  })
}

for (const [option, options] of [
  ['disableTcp', { disableTcp: true, disableUtp: true }],
  ['disableTcp', { disableTcp: true, proxy: 'socks5://127.0.0.1:9' }],
] as const) {
  test(`${Object.keys(options).join(' with ')} is refused, since no peer could be reached`, () => {
    assert.throws(() => new Client({ downloadDir: 'nowhere', ...options }), {
      code: 'ERR_TORRENTFS_ARGUMENT',
      message: new RegExp(`^${option}: `),
    })
  })
}

test(
  'a client that is closed in the middle of uTP is gone, its peers know it, and its port is free',
  limit,
  async t => {
    const options = { seeder: { disableTcp: true }, fetcher: { disableTcp: true } }
    const clients = await twoClients(t, randomBytes(8_000_000), 65536, undefined, options)
    const { fetcher, torrent, seeded } = clients
    torrent.download()
    await until('something is stored', 60_000, () => torrent.files[0]!.storedBytes > 0)
    const { port } = fetcher
    await fetcher.close()
    await until('the peer knows', 10_000, () => seeded.status().peers.length === 0)
    const next = new Client({
      downloadDir: 'nowhere',
      disableTcp: true,
      listenAddr: { host: '127.0.0.1', port },
    })
    await next.listen()
    assert.equal(next.port, port)
    await next.close()
  },
)

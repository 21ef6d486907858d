/** Whole downloads into storages other than plain files, through the mount, with the daemon killed in the middle. */

import { join } from 'node:path'
import { describe, it } from 'node:test'
import { skipWithout } from '../support/project.js'
import { KEYS, S3Server } from '../support/s3-server.js'
import { Figures } from './scenarios/figures.js'
import { kills, type KillsOptions } from './scenarios/kills.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')

const STORAGES: Readonly<Record<string, NonNullable<KillsOptions['storage']>>> = {
  'part files': async () => ({ args: ['-partFiles'] }),
  mmap: async () => ({ args: ['-storage=mmap'] }),
  blob: async (_, scope) => ({ args: [`-storage=blob:${join(scope.folder(), 'objects')}`] }),
  sqlite: async (_, scope) => ({ args: [`-storage=sqlite:${join(scope.folder(), 'torrents.sqlite')}`] }),
  kv: async (_, scope) => ({ args: [`-storage=kv:${join(scope.folder(), 'torrents.lmdb')}`] }),
  s3: async (network, scope) => {
    const { endpoint } = await S3Server.start(scope, { host: network.host('bucket') })
    return {
      args: [`-storage=s3://torrents/films?endpoint=${endpoint}`],
      env: { AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey },
    }
  },
}

describe('a daemon that keeps its data elsewhere and is killed', { skip }, () => {
  for (const [name, storage] of Object.entries(STORAGES)) {
    it(`comes back by itself with all that was handed out: ${name}`, { timeout: 180_000 }, async () => {
      const figures = new Figures(`kill -9 and restart: ${name}`)
      const seed = Number(process.env['TORRENTFS_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
      await kills(figures, { kills: 2, megabytes: 16, bytesPerSecond: 4 << 20, seed, storage })
      figures.assert()
    })
  }

  it('serves a whole download from memory', { timeout: 60_000 }, async () => {
    const figures = new Figures('memory')
    const storage = (): Promise<{ args: string[] }> => Promise.resolve({ args: ['-storage=memory'] })
    await kills(figures, { kills: 0, megabytes: 32, bytesPerSecond: 0, seed: 1, storage })
    figures.assert()
  })
})

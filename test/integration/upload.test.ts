/** What was read through the mount is uploaded while the daemon runs, also beside readers. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { sha256OfFile } from '../support/content.js'
import { Daemon } from '../support/daemon.js'
import { Libtorrent } from '../support/libtorrent.js'
import { Network } from '../support/network.js'
import { skipWithout } from '../support/project.js'
import { Scope } from '../support/scope.js'

const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent')
const LENGTH = 8 << 20

describe('the daemon, of what was read through its mount', { skip, timeout: 180_000 }, () => {
  for (const args of [[], ['-maxUploadRate=2MiB', '-maxDownloadRate=2MiB']]) {
    it(`gives a libtorrent leecher everything, while another file is read, ${args.join(' ') || 'without limits'}`, async () => {
      const scope = new Scope()
      try {
        const network = Network.create(scope)
        const maker = await Libtorrent.maker(scope)
        const folder = scope.folder()
        const make = (name: string) =>
          maker.make(
            folder,
            { name, files: [{ path: ['content'], length: LENGTH }] },
            { pieceLength: 262144 },
          )
        const [read, other] = [await make('read'), await make('other')]
        const seeder = await Libtorrent.start(network.host('seeder'))
        await seeder.seed(read)
        await seeder.seed(other)
        const daemon = await Daemon.start(scope, {
          host: network.host('daemon'),
          testPeers: [`${seeder.address}:${seeder.port}`],
          torrents: [read.file, other.file],
          args,
        })
        await daemon.listed('read')
        const expected = await sha256OfFile(join(read.source, 'read', 'content'))
        assert.equal(await daemon.sha256(daemon.path('read', 'content')), expected)
        // From here on only the daemon has it.
        await seeder.ask('remove', { infohash: read.infohash })

        const reading = daemon.sha256(daemon.path('other', 'content'))
        const leecher = await Libtorrent.start(network.host('leecher'))
        const downloads = join(scope.folder(), 'downloads')
        mkdirSync(downloads)
        await leecher.add({ torrent: read.file, folder: downloads })
        await leecher.connect(read.infohash, daemon.host!.address, daemon.listenPort)
        await leecher.until(read.infohash, status => status.seeding, 60_000, 'complete')
        assert.equal(await sha256OfFile(join(downloads, 'read', 'content')), expected)
        assert.equal(await reading, await sha256OfFile(join(other.source, 'other', 'content')))
        await daemon.stop()
      } finally {
        await scope.close()
      }
    })
  }
})

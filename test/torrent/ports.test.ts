import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'

import { TorrentError } from '../../src/torrent/errors.js'
import { silentLogger } from '../../src/torrent/logger.js'
import { PeerListener } from '../../src/torrent/peer/listener.js'
import { openPorts, type Ports } from '../../src/torrent/ports.js'

const limit = { timeout: 20_000 }

function newListener(): PeerListener {
  return new PeerListener({ resolve: () => undefined, accept() {} })
}

async function open(
  t: TestContext,
  host: string | undefined,
  port: number,
  listener: PeerListener | undefined,
): Promise<{ ports: Ports; warnings: string[] }> {
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) }
  const ports = await openPorts({ hosts: [host ?? ''], port, listener, logger })
  t.after(() => Promise.all([ports.udp4?.close(), ports.udp6?.close(), listener?.close()]))
  return { ports, warnings }
}

/** A UDP port that someone else has. */
async function takenUdp(t: TestContext): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return socket.address().port
}

for (const [host, families] of [
  [undefined, [4, 6]],
  ['127.0.0.1', [4]],
  ['::1', [6]],
  ['localhost', [4]],
] as const) {
  test(
    `on ${host ?? 'all addresses'}, TCP and UDP of IPv${families.join(' and IPv')} have one number`,
    limit,
    async t => {
      const listener = newListener()
      const { ports, warnings } = await open(t, host, 0, listener)
      assert.ok(ports.port > 0)
      assert.equal(listener.port, ports.port)
      const found = [ports.udp4, ports.udp6].filter(port => port !== undefined)
      assert.deepEqual(
        found.map(port => [port.family, port.port]),
        families.map(family => [family, ports.port]),
      )
      assert.deepEqual(warnings, [])
    },
  )
}

test('a number that is free for TCP alone is given back for one that is free for both', limit, async t => {
  // Whatever number the system gives first, its UDP side is taken before ours is tried.
  class Unlucky extends PeerListener {
    tries = 0
    override async listen(hosts: string | readonly string[] | undefined, port: number): Promise<void> {
      await super.listen(hosts, port)
      if (++this.tries > 3) return
      const socket = createSocket('udp4').bind(this.port, '127.0.0.1')
      await once(socket, 'listening')
      t.after(() => socket.close())
    }
  }
  const listener = new Unlucky({ resolve: () => undefined, accept() {} })
  const { ports, warnings } = await open(t, '127.0.0.1', 0, listener)
  assert.equal(listener.tries, 4)
  assert.equal(ports.udp4?.port, listener.port)
  assert.deepEqual(warnings, [])
})

test('where UDP is taken TCP goes on without it, with one warning', limit, async t => {
  const port = await takenUdp(t)
  const listener = newListener()
  const { ports, warnings } = await open(t, '127.0.0.1', port, listener)
  assert.deepEqual([ports.port, listener.port], [port, port])
  assert.deepEqual([ports.udp4, ports.udp6], [undefined, undefined])
  assert.equal(warnings.length, 1)
})

test('without TCP a UDP port that is taken is an error', limit, async t => {
  const port = await takenUdp(t)
  await assert.rejects(open(t, '127.0.0.1', port, undefined), (error: unknown) => {
    return error instanceof TorrentError && error.code === 'ERR_TORRENTFS_LISTEN'
  })
  const { ports } = await open(t, '127.0.0.1', 0, undefined)
  assert.equal(ports.udp4?.port, ports.port)
})

test('a host that does not exist is a listening error', limit, async t => {
  await assert.rejects(open(t, 'nobody.invalid', 0, newListener()), { code: 'ERR_TORRENTFS_LISTEN' })
})

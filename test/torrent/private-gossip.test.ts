/**
 * What a peer sees of a client that has a private torrent: nothing of peer exchange, before or after the metadata is known.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { Client } from '../../src/torrent/index.js'
import { encodeBencode } from '../../src/torrent/metainfo/bencode.js'
import { parseInfo } from '../../src/torrent/metainfo/info.js'
import { decodeExtensionHandshake } from '../../src/torrent/wire/extension.js'
import { encodeHandshake } from '../../src/torrent/wire/handshake.js'

function infoOf(isPrivate: boolean): { raw: Uint8Array; infohash: string } {
  const raw = encodeBencode({
    length: 5,
    name: 'file',
    'piece length': 16384,
    pieces: new Uint8Array(20),
    private: isPrivate ? 1 : undefined,
  })
  return { raw, infohash: parseInfo(raw).infohash }
}

/** The `m` of every extension handshake the client sends to one more peer, after `ms`. */
async function offers(client: Client, infohash: string, act: () => void): Promise<number[]> {
  const socket = connect(client.port, '127.0.0.1')
  const peerId = Buffer.from('-XX0001-abcdefghijkl')
  socket.write(
    encodeHandshake({
      infohash: Buffer.from(infohash, 'hex'),
      peerId,
      fast: true,
      extensions: true,
      dht: false,
    }),
  )
  let bytes = Buffer.alloc(0)
  const found: number[] = []
  const first = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (data: Buffer) => {
      bytes = Buffer.concat([bytes, data])
      found.length = 0
      for (let at = 68; at + 4 <= bytes.length;) {
        const length = bytes.readUInt32BE(at)
        const message = bytes.subarray(at + 4, at + 4 + length)
        if (message.length < length) break
        if (message[0] === 20 && message[1] === 0) {
          found.push(decodeExtensionHandshake(message.subarray(2)).extensions.get('ut_pex') ?? -1)
          resolve()
        }
        at += 4 + length
      }
    })
  })
  await first
  act()
  await new Promise(resolve => setTimeout(resolve, 500))
  socket.destroy()
  return found
}

test('peer exchange is offered for what is public, and taken back of what proves private', async t => {
  const base = await mkdtemp(join(tmpdir(), 'torrentfs-private-'))
  const client = new Client({
    downloadDir: base,
    disableTrackers: true,
    disableDht: true,
    listenAddr: { host: '127.0.0.1', port: 0 },
  })
  t.after(async () => {
    await client.close()
    await rm(base, { recursive: true, force: true })
  })
  await client.listen()
  const nothing = (): void => {}
  const metainfo = (raw: Uint8Array): Uint8Array =>
    Buffer.concat([Buffer.from('d4:info'), raw, Buffer.from('e')])

  const open = infoOf(false)
  client.addNow({ metainfo: metainfo(open.raw) })
  assert.deepEqual(await offers(client, open.infohash, nothing), [2])
  await client.remove(open.infohash)

  const closed = infoOf(true)
  client.addNow({ metainfo: metainfo(closed.raw) })
  assert.deepEqual(await offers(client, closed.infohash, nothing), [-1])
  await client.remove(closed.infohash)

  // A magnet that names a tracker may be private: not before its metadata says otherwise.
  const tracker = '&tr=http%3A%2F%2F192.0.2.1%2Fannounce'
  const named = client.addNow({ magnet: `magnet:?xt=urn:btih:${open.infohash}${tracker}` })
  const seen = await offers(client, open.infohash, () => named.setInfo(parseInfo(open.raw)))
  assert.deepEqual(seen, [-1, 2])
  await client.remove(open.infohash)

  // One that names nothing cannot be found but in public; if it is private all the same, that ends at once.
  const bare = client.addNow({ magnet: `magnet:?xt=urn:btih:${closed.infohash}` })
  const taken = await offers(client, closed.infohash, () => bare.setInfo(parseInfo(closed.raw)))
  assert.deepEqual(taken, [2, 0])
})

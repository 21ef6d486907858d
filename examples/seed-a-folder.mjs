/**
 * Makes a torrent of a folder or a file, and seeds it where it lies until Ctrl-C.
 *
 *     node examples/seed-a-folder.mjs photos photos.torrent [tracker...]
 *
 * Peers come by the trackers, by the DHT and from the local network.
 */
import { writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { Client, createTorrent, formatMagnet } from 'torrentfs'

const [, , root, torrentFile, ...urls] = process.argv
// Each tracker is a tier of its own: all of them hear of us.
const trackers = urls.map(url => [url])
const metainfo = await createTorrent(root, { trackers })
await writeFile(torrentFile, metainfo)

// A torrent's content lies in the download folder under the torrent's name. What is known of it is kept in `.torrentfs` there.
const client = new Client({ downloadDir: dirname(resolve(root)) })
const torrent = await client.add(metainfo)
// What this client did not store itself counts when it has been hashed.
const { good } = await torrent.verify()
if (!torrent.complete) throw new Error(`${root} changed while it was read`)

console.log(formatMagnet({ infohash: torrent.infohash, name: torrent.name, trackers }))
console.log(`seeding ${good} pieces on port ${client.port}`)

process.once('SIGINT', async () => {
  console.log(`gave ${torrent.status().uploadedBytes} bytes`)
  await client.close()
})

/**
 * A storage of your own: pieces as compressed files, one for each. Downloads a torrent into it.
 *
 *     node examples/write-a-storage.mjs film.torrent folder [host:port of a peer]
 */

// --- the storage
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, brotliDecompress } from 'node:zlib'
import { Client, FileCompletion, PieceStorage } from 'torrentfs'

class CompressedPieces {
  constructor(folder) {
    this.folder = folder
  }

  /** The pieces of one torrent. Creates nothing: the first write does. */
  async open({ infohash, geometry }) {
    const folder = join(this.folder, infohash)
    const path = piece => join(folder, `${piece}.br`)
    return {
      /** Copies the bytes from `begin` on into `target`; returns how many: none of a piece that is not there. */
      async read(piece, begin, target) {
        const packed = await readFile(path(piece)).catch(() => undefined)
        if (packed === undefined) return 0
        const maxOutputLength = geometry.pieceSize(piece)
        const bytes = await promisify(brotliDecompress)(packed, { maxOutputLength })
        return bytes.copy(target, 0, begin, begin + target.length)
      },
      /** Keeps a piece, whole or not at all. */
      async write(piece, bytes) {
        await mkdir(folder, { recursive: true })
        await writeFile(`${path(piece)}.new`, await promisify(brotliCompress)(bytes))
        await rename(`${path(piece)}.new`, path(piece))
      },
      /** Frees a piece. */
      remove: piece => rm(path(piece), { force: true }),
    }
  }
}

/** Files, ranges, pads and which pieces are stored are the adapter's affair. */
const storage = folder =>
  new PieceStorage(new CompressedPieces(folder), { completion: new FileCompletion(folder) })
// ---

const [, , source, folder, peer] = process.argv
const client = new Client({ storage: storage(folder) })
await client.listen()
const torrent = await client.add(source, peer === undefined ? {} : { peers: [peerOf(peer)] })
await torrent.whenReady()
const { storedBytes, length } = torrent.status()
console.log(`${storedBytes} of ${length} bytes were here already`)
if (storedBytes < length) {
  torrent.download()
  await new Promise(resolve => torrent.once('complete', resolve))
}
console.log(`${torrent.name} is complete: ${torrent.status().usefulBytes} bytes came`)
await client.close()

function peerOf(text) {
  const [host, port] = text.split(':')
  return { host, port: Number(port) }
}

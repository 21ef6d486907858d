/**
 * A program: how long it is from adding a torrent to its first byte, with a client, a connection and a folder of its own
 * each time, in turns with TCP alone and with TCP and uTP. Prints `{tcpAlone, both}`, ms each.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What is used here of the library's public surface. */
interface Library {
  readonly Client: new (o: {
    downloadDir: string
    testPeers: { host: string; port: number }[]
    disableTrackers: boolean
    disableDht: boolean
    disableUtp: boolean
  }) => {
    listen(): Promise<void>
    addNow(source: { metainfo: Uint8Array }): {
      readonly files: readonly {
        createReader(): { readAt(target: Uint8Array, offset: number): Promise<number>; close(): void }
      }[]
      whenReady(): Promise<void>
    }
    close(): Promise<void>
  }
}

const [library, torrentFile, folder, peer, count] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
const colon = peer.lastIndexOf(':')
const { Client } = (await import(pathToFileURL(library).href)) as Library
const metainfo = readFileSync(torrentFile)

async function firstByte(name: string, disableUtp: boolean): Promise<number> {
  const client = new Client({
    downloadDir: join(folder, name),
    testPeers: [{ host: peer.slice(0, colon), port: Number(peer.slice(colon + 1)) }],
    disableTrackers: true,
    disableDht: true,
    disableUtp,
  })
  await client.listen()
  const began = performance.now()
  const torrent = client.addNow({ metainfo })
  await torrent.whenReady()
  const reader = torrent.files[0]!.createReader()
  await reader.readAt(new Uint8Array(1), 0)
  const took = performance.now() - began
  reader.close()
  await client.close()
  return took
}

const tcpAlone: number[] = []
const both: number[] = []
// The first of a process pays for the compiler.
await firstByte('warm', true)
await firstByte('warmer', false)
for (let i = 0; i < Number(count); i++) {
  tcpAlone.push(await firstByte(`alone-${i}`, true))
  both.push(await firstByte(`both-${i}`, false))
}
process.stdout.write(JSON.stringify({ tcpAlone, both }))

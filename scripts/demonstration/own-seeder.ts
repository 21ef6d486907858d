/**
 * A program: seeds with our own library, for a machine that has no other client. Driven like
 * ../benchmark/libtorrent_seeder.py: one JSON object a line, each answered by one line; ends with its input.
 * Arguments: host, port (0: any), the folder that holds the content, the compiled library.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [host, wanted, folder, library] = process.argv.slice(2) as [string, string, string, string]
const { Client } = (await import(pathToFileURL(library).href)) as typeof import('../../src/torrent/index.js')

/** The client is told its port rather than asked for it: peers need to know it before anything is seeded. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

const port = wanted === '0' ? await freePort() : Number(wanted)
const client = new Client({
  downloadDir: folder,
  disableTrackers: true,
  disableDht: true,
  listenAddr: { host, port },
})
await client.listen()

const say = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
say({ port })
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as { add?: string }
  if (command.add === undefined) {
    let payload = 0
    for (const torrent of client.torrents) payload += torrent.status().uploadedBytes
    say({ payload, sent: payload })
    continue
  }
  const torrent = client.addNow({ metainfo: readFileSync(command.add) })
  // What lies there already is hashed, not downloaded: there is nobody to download from.
  torrent.download()
  const complete = (): boolean => {
    const status = torrent.status()
    return status.length !== undefined && status.storedBytes === status.length
  }
  const deadline = performance.now() + 60_000
  while (!complete() && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
  say({ added: torrent.infohash, seeding: complete() })
}
await client.close()
process.exit(0)

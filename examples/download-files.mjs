/**
 * Downloads only the files of a torrent whose names end as asked.
 *
 *     node examples/download-files.mjs 'magnet:?xt=urn:btih:...' folder .srt .mkv
 */
import { Client } from 'torrentfs'

const [, , source, downloadDir, ...endings] = process.argv
const client = new Client({ downloadDir })
const torrent = await client.add(source)
// A magnet link says little: names and lengths come from peers.
await torrent.whenReady()

const wanted = torrent.files.filter(file => !file.pad && endings.some(end => file.path.at(-1).endsWith(end)))
if (wanted.length === 0) throw new Error(`${torrent.name}: no file ends with ${endings.join(' or ')}`)
for (const file of wanted) file.select()
// What comes first on the command line is fetched before the rest.
for (const file of wanted) if (file.path.at(-1).endsWith(endings[0])) file.priority = 'high'

// All that is selected is stored. Files that share a piece with it may have got some bytes, too.
await torrent.done
for (const file of wanted) console.log(`${file.path.join('/')}: ${file.storedBytes} bytes`)
await client.close()

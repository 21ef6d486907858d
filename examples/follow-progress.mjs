/**
 * Downloads a torrent and shows how it goes: what is known, who is there, which pieces have come.
 *
 *     node examples/follow-progress.mjs film.torrent folder
 */
import { clearInterval, setInterval } from 'node:timers'
import { Client } from 'torrentfs'

const [, , source, downloadDir] = process.argv
const client = new Client({ downloadDir })
const torrent = await client.add(source)
torrent.download()

// Trouble that it survives: a disk that is full, metadata that is broken.
torrent.on('warning', error => console.error(error.message))
const { name, length } = await torrent.metadata
console.log(`${name}: ${length} bytes in ${torrent.pieces.length} pieces`)

const timer = setInterval(show, 1000)
await torrent.done
clearInterval(timer)
show()
await client.close()

/** One line: how much is stored, which pieces, and from how many peers. */
function show() {
  const { storedBytes, usefulBytes, wastedBytes, peers } = torrent.status()
  const percent = Math.floor((100 * storedBytes) / length)
  console.log(
    `${percent} % [${picture(40)}] ${peers.length} peers, ${usefulBytes} B useful, ${wastedBytes} B wasted`,
  )
}

/** A torrent may have a million pieces: this looks at one in each of `width` places. */
function picture(width) {
  const letters = { missing: ' ', suspect: '?', verifying: '?', fetching: '-', stored: '#' }
  const { pieces } = torrent
  const stateAt = place => pieces.at(Math.floor((place * pieces.length) / width)).state
  return Array.from({ length: width }, (_, place) => letters[stateAt(place)]).join('')
}

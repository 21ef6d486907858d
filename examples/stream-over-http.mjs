/**
 * Streams the largest file of a torrent over HTTP while it is downloaded, for players: they seek with `Range`.
 *
 *     node examples/stream-over-http.mjs film.torrent folder [port]
 *     mpv http://127.0.0.1:8080/
 */
import { createServer } from 'node:http'
import { pipeline } from 'node:stream'
import { Client } from 'torrentfs'

const [, , source, downloadDir, port = '8080'] = process.argv
const client = new Client({ downloadDir })
const torrent = await client.add(source)
await torrent.whenReady()
const file = torrent.files.reduce((largest, next) => (next.length > largest.length ? next : largest))

const server = createServer((request, response) => {
  const range = rangeOf(request.headers.range, file.length)
  response.setHeader('accept-ranges', 'bytes')
  if (range.start > range.end) {
    response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end()
    return
  }
  const { partial, ...span } = range
  response.setHeader('content-length', span.end - span.start + 1)
  if (partial) response.setHeader('content-range', `bytes ${span.start}-${span.end}/${file.length}`)
  response.writeHead(partial ? 206 : 200)
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  // A player that seeks hangs up and asks anew. `pipeline` then destroys the stream, and what that wanted is wanted no more.
  pipeline(file.createReadStream(span), response, () => {})
})
// Only this machine may ask.
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`${file.path.join('/')} is at http://127.0.0.1:${server.address().port}/`)
})

process.once('SIGINT', async () => {
  server.close()
  server.closeAllConnections()
  await client.close()
})

/** The bytes asked for, the last included, as of `createReadStream`. What is no single range means the whole. */
function rangeOf(header, length) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? ['', '', '']
  if (first === '' && last === '') return { start: 0, end: length - 1, partial: false }
  if (first === '') return { start: Math.max(0, length - Number(last)), end: length - 1, partial: true }
  return {
    start: Number(first),
    end: Math.min(last === '' ? Infinity : Number(last), length - 1),
    partial: true,
  }
}

/**
 * One webtorrent client with one torrent, told by one JSON argument. Prints `added`, then `done` when it has everything.
 */
import { register } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// WebRTC wants a binary that is fetched when it is installed; without it there are TCP and uTP, which is all we try.
const noWebRtc =
  'data:text/javascript,' +
  encodeURIComponent(`
  export const RTCPeerConnection = undefined, RTCSessionDescription = undefined, RTCIceCandidate = undefined
  export default {}`)
register(
  'data:text/javascript,' +
    encodeURIComponent(`
  export const resolve = (name, context, next) =>
    name === 'webrtc-polyfill' ? { url: ${JSON.stringify(noWebRtc)}, shortCircuit: true } : next(name, context)`),
)

const { module, port, traits, source, folder } = JSON.parse(process.argv[2])
const { default: WebTorrent } = await import(pathToFileURL(join(module, 'index.js')))
const { dht, pex, lsd, utp, encrypted, downloadLimit } = traits
const client = new WebTorrent({
  torrentPort: port,
  dhtPort: port,
  dht: dht === undefined ? false : { bootstrap: [`${dht.host}:${dht.port}`] },
  utPex: pex === true,
  lsd: lsd === true,
  utp: utp === true,
  secure: encrypted === true,
  natUpnp: false,
  natPmp: false,
  downloadLimit: downloadLimit ?? -1,
})
client.on('error', error => {
  console.error(String(error))
  process.exit(1)
})
const torrent = client.add(source, { path: folder })
console.log('added')
torrent.on('done', () => console.log('done'))
torrent.on('warning', warning => console.error(String(warning)))
process.stdin.on('end', () => process.exit(0)).resume()

/**
 * A program: asks a seeder for single pieces over a bare socket and prints how long each took. The yardstick of
 * the latency rows: what one piece costs on this wire when nothing is decided, hashed, stored or mounted.
 * Speaks just enough of BEP 3 to be unchoked.
 */
import { connect, type Socket } from 'node:net'

interface Task {
  readonly peer: string
  readonly infohash: string
  readonly pieceLength: number
  readonly pieces: readonly number[]
  readonly rest?: number
}

const BLOCK = 16384
const task = JSON.parse(process.argv[2] ?? '') as Task
const colon = task.peer.lastIndexOf(':')
const [host, port] = [task.peer.slice(0, colon), Number(task.peer.slice(colon + 1))]

function dial(): Promise<{ socket: Socket; took: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const socket = connect({ host, port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      resolve({ socket, took: performance.now() - began })
    })
  })
}

const roundTrips: number[] = []
for (let i = 0; i < 5; i++) {
  const { socket, took } = await dial()
  roundTrips.push(took)
  socket.destroy()
}

const { socket } = await dial()
let unchoke: () => void = () => undefined
let done: () => void = () => undefined
const unchoked = new Promise<void>(resolve => (unchoke = resolve))
let missing = 0

// A message's head is collected, its body only counted: payload is not copied anywhere.
let head = Buffer.alloc(0)
let skip = 68
socket.on('data', chunk => {
  let at = 0
  while (at < chunk.length) {
    if (skip > 0) {
      const n = Math.min(skip, chunk.length - at)
      skip -= n
      at += n
      if (skip === 0 && missing > 0 && head.length === 5 && head[4] === 7 && --missing === 0) done()
      if (skip === 0) head = Buffer.alloc(0)
      continue
    }
    const n = Math.min(5 - head.length, chunk.length - at)
    head = Buffer.concat([head, chunk.subarray(at, at + n)])
    at += n
    if (head.length >= 4 && head.readUInt32BE(0) === 0) head = Buffer.from(head.subarray(4))
    if (head.length < 5) continue
    if (head[4] === 1) unchoke()
    skip = head.readUInt32BE(0) - 1
    if (skip === 0) head = Buffer.alloc(0)
  }
})
socket.on('error', error => {
  process.stderr.write(error.message)
  process.exit(1)
})
socket.write(
  Buffer.concat([
    Buffer.from([19]),
    Buffer.from('BitTorrent protocol'),
    Buffer.alloc(8),
    Buffer.from(task.infohash, 'hex'),
    Buffer.from(`-BN0001-${String(Math.random()).slice(2, 14).padEnd(12, '0')}`),
    Buffer.from([0, 0, 0, 1, 2]),
  ]),
)
await unchoked

const pieces: number[] = []
for (const piece of task.pieces) {
  if (task.rest !== undefined) await new Promise(resolve => setTimeout(resolve, task.rest))
  const requests: Buffer[] = []
  for (let begin = 0; begin < task.pieceLength; begin += BLOCK) {
    const request = Buffer.alloc(17)
    request.writeUInt32BE(13, 0)
    request[4] = 6
    request.writeUInt32BE(piece, 5)
    request.writeUInt32BE(begin, 9)
    request.writeUInt32BE(Math.min(BLOCK, task.pieceLength - begin), 13)
    requests.push(request)
  }
  missing = requests.length
  const arrived = new Promise<void>(resolve => (done = resolve))
  const began = performance.now()
  socket.write(Buffer.concat(requests))
  await arrived
  pieces.push(performance.now() - began)
}
process.stdout.write(JSON.stringify({ pieces, roundTrips }))
socket.destroy()

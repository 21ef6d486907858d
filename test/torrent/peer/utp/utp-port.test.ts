import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { TorrentError } from '../../../../src/torrent/errors.js'
import { UdpPort } from '../../../../src/torrent/net/datagram-port.js'
import { UtpPort } from '../../../../src/torrent/peer/utp/utp-port.js'
import { UTP_WINDOW_BYTES } from '../../../../src/torrent/peer/utp/utp-stream.js'
import type { UtpTransport } from '../../../../src/torrent/peer/utp/utp-transport.js'
import {
  decodeUtp,
  encodeUtp,
  UTP_DATA,
  UTP_FIN,
  UTP_RESET,
  UTP_STATE,
  UTP_SYN,
} from '../../../../src/torrent/wire/utp-packet.js'
import { until } from '../../../support/fs-process.js'
import { randomFrom } from './virtual-way.js'

const limit = { timeout: 60_000 }
/** A signal that is never aborted. */
const never = (): AbortSignal => new AbortController().signal
const HOSTS = { 4: '127.0.0.1', 6: '::1' } as const

/** What a transport told. */
class Heard {
  readonly transport: UtpTransport
  readonly parts: Buffer[] = []
  length = 0
  sent = 0
  readonly ends: (TorrentError | undefined)[] = []

  constructor(transport: UtpTransport, onReceive: () => void = () => {}) {
    this.transport = transport
    transport.setReceiver({
      receive: (bytes, length) => {
        assert.equal(this.ends.length, 0)
        this.parts.push(Buffer.from(bytes.subarray(0, length)))
        this.length += length
        onReceive()
      },
      sent: () => void this.sent++,
      ended: error => this.ends.push(error),
    })
  }

  get sha256(): string {
    return createHash('sha256').update(Buffer.concat(this.parts)).digest('hex')
  }
}

interface Side {
  readonly udp: UdpPort
  readonly utp: UtpPort
  readonly accepted: UtpTransport[]
}

async function side(t: TestContext, family: 4 | 6 = 4): Promise<Side> {
  const udp = await UdpPort.open({ family, host: HOSTS[family], port: 0 })
  const accepted: UtpTransport[] = []
  const utp = new UtpPort(udp, transport => accepted.push(transport))
  t.after(async () => {
    utp.close()
    await udp.close()
  })
  return { udp, utp, accepted }
}

async function connected(
  t: TestContext,
  family: 4 | 6 = 4,
): Promise<{ a: Side; b: Side; outgoing: UtpTransport; incoming: UtpTransport }> {
  const [a, b] = [await side(t, family), await side(t, family)]
  const outgoing = await a.utp.connect({ host: HOSTS[family], port: b.udp.port }, never())
  assert.deepEqual([b.utp.size, b.accepted.length], [1, 0])
  // Whoever connects speaks first.
  outgoing.send([Uint8Array.of(0)])
  await until('it is accepted', 10_000, () => b.accepted.length === 1)
  const incoming = b.accepted[0]!
  await until('it is heard', 10_000, () => incoming.stream.read(new Uint8Array(1)) === 1)
  return { a, b, outgoing, incoming }
}

for (const family of [4, 6] as const) {
  test(`bytes go both ways over IPv${family}, and each side knows where the other is`, limit, async t => {
    const { a, b, outgoing, incoming } = await connected(t, family)
    assert.deepEqual(outgoing.address, { host: HOSTS[family], port: b.udp.port, family })
    assert.deepEqual(incoming.address, { host: HOSTS[family], port: a.udp.port, family })
    assert.deepEqual([outgoing.incoming, incoming.incoming, outgoing.kind], [false, true, 'utp'])
    const [there, back] = [randomBytes(3_000_000), randomBytes(1_000_000)]
    const [atA, atB] = [new Heard(outgoing), new Heard(incoming)]
    outgoing.resume()
    incoming.resume()
    outgoing.send([there.subarray(0, 10), there.subarray(10)])
    await until('something came', 10_000, () => atB.length > 0)
    incoming.send([back])
    await until('all came', 30_000, () => atB.length === there.length && atA.length === back.length)
    assert.equal(atB.sha256, createHash('sha256').update(there).digest('hex'))
    assert.equal(atA.sha256, createHash('sha256').update(back).digest('hex'))
    assert.deepEqual([outgoing.backlog, incoming.backlog], [0, 0])
    assert.ok(atA.sent > 0 && atB.sent > 0)
    outgoing.destroy()
    await until('both ended', 10_000, () => atA.ends.length + atB.ends.length === 2)
    assert.deepEqual([atA.ends, atB.ends], [[undefined], [undefined]])
    assert.deepEqual([a.utp.size, b.utp.size], [0, 0])
  })
}

test(
  'a paused transport receives nothing, slows its peer down, and gets all of it when it is resumed',
  limit,
  async t => {
    const { outgoing, incoming } = await connected(t)
    const heard = new Heard(incoming)
    new Heard(outgoing)
    const content = Buffer.alloc(8_000_000, 7)
    outgoing.send([content])
    await until('the window is full', 30_000, () => incoming.stream.readable > UTP_WINDOW_BYTES - 3000)
    await sleep(200)
    assert.equal(heard.length, 0)
    assert.ok(incoming.stream.readable <= UTP_WINDOW_BYTES)
    assert.ok(outgoing.backlog > content.length - 3 * UTP_WINDOW_BYTES, `${outgoing.backlog}`)
    incoming.resume()
    await until('all came', 30_000, () => heard.length === content.length)
  },
)

test('a receiver that pauses while it receives gets nothing more until it resumes', limit, async t => {
  const { outgoing, incoming } = await connected(t)
  let calls = 0
  const heard: Heard = new Heard(incoming, () => {
    calls++
    incoming.pause()
  })
  outgoing.send([Buffer.alloc(2_000_000)])
  incoming.resume()
  await until('the first came', 10_000, () => calls === 1)
  await sleep(100)
  assert.equal(calls, 1)
  while (heard.length < 2_000_000) {
    const before = calls
    incoming.resume()
    await until('more came', 10_000, () => calls > before)
  }
})

test('where nobody listens an attempt is refused or given up, and aborting ends it', limit, async t => {
  const a = await side(t)
  const deaf = await UdpPort.open({ family: 4, host: '127.0.0.1', port: 0 })
  t.after(() => deaf.close())
  const to = { host: '127.0.0.1', port: deaf.port }
  const stop = new AbortController()
  const attempt = a.utp.connect(to, stop.signal)
  setTimeout(() => stop.abort(), 50)
  await assert.rejects(attempt, { code: 'ERR_TORRENTFS_ABORTED' })
  await assert.rejects(a.utp.connect(to, stop.signal), { code: 'ERR_TORRENTFS_ABORTED' })
  await assert.rejects(a.utp.connect({ host: '::1', port: 1 }, never()), { code: 'ERR_TORRENTFS_CONNECTION' })
  assert.equal(a.utp.size, 0)
  // Someone who knows uTP and no such connection.
  const b = await side(t)
  b.utp.stopAccepting()
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  socket.on('message', (bytes, from) => {
    const { connection, sequence } = decodeUtp(bytes)!
    const fields = { timestamp: 1, difference: 0, window: 0, sequence: 9, ack: sequence }
    socket.send(encodeUtp({ type: UTP_RESET, connection, ...fields }), from.port, from.address)
  })
  await assert.rejects(a.utp.connect({ host: '127.0.0.1', port: socket.address().port }, never()), {
    code: 'ERR_TORRENTFS_CONNECTION',
    message: /refused/,
  })
})

test(
  'closing tells every peer, ends what is connected with an error, and lets nobody in again',
  limit,
  async t => {
    const { a, b, outgoing, incoming } = await connected(t)
    const [atA, atB] = [new Heard(outgoing), new Heard(incoming)]
    outgoing.resume()
    incoming.resume()
    outgoing.send([Uint8Array.of(1)])
    await until('it came', 10_000, () => atB.length === 1)
    b.utp.close()
    b.utp.close()
    assert.equal(b.utp.size, 0)
    await until('both ended', 10_000, () => atA.ends.length + atB.ends.length === 2)
    assert.equal(atB.ends[0]?.code, 'ERR_TORRENTFS_CLOSED')
    assert.equal(atA.ends[0], undefined)
    const stop = new AbortController()
    const attempt = a.utp.connect({ host: '127.0.0.1', port: b.udp.port }, stop.signal)
    setTimeout(() => stop.abort(), 200)
    await assert.rejects(attempt, { code: 'ERR_TORRENTFS_ABORTED' })
    assert.equal(b.accepted.length, 1)
  },
)

test('an end that came before anyone listened is told', limit, async t => {
  const { outgoing, incoming } = await connected(t)
  incoming.destroy()
  incoming.destroy()
  await until(
    'the caller has heard',
    10_000,
    () => outgoing.stream.state === 'ended' || outgoing.stream.atEnd,
  )
  const heard = new Heard(outgoing)
  outgoing.resume()
  await until('it is told', 10_000, () => heard.ends.length === 1)
  const late = new Heard(incoming)
  await until('it is told, too', 10_000, () => late.ends.length === 1)
})

test('who speaks of a connection that is not there is told so, but not without end', limit, async t => {
  const { udp } = await side(t)
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  const answers: Buffer[] = []
  socket.on('message', bytes => answers.push(bytes))
  const fields = { timestamp: 1, difference: 0, window: 0, connection: 7, ack: 3 }
  for (const type of [UTP_DATA, UTP_FIN, UTP_STATE, UTP_RESET]) {
    socket.send(encodeUtp({ type, sequence: 100 + type, ...fields }), udp.port, '127.0.0.1')
  }
  await until('three are answered', 10_000, () => answers.length === 3)
  const told = answers.map(bytes => decodeUtp(bytes)!)
  assert.ok(told.every(packet => packet.type === UTP_RESET && packet.connection === 7))
  assert.deepEqual(told.map(packet => packet.ack).sort(), [100, 101, 102])
  for (let i = 0; i < 1000; i++) {
    socket.send(encodeUtp({ type: UTP_DATA, sequence: i, ...fields }), udp.port, '127.0.0.1')
  }
  await sleep(300)
  // A hundred in a second, and it may have been a new one.
  assert.ok(answers.length <= 3 + 200, `${answers.length}`)
})

test(
  'the first packet that comes twice makes one connection, is answered twice, and lets nobody in',
  limit,
  async t => {
    const { udp, utp, accepted } = await side(t)
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    t.after(() => socket.close())
    const answers: Buffer[] = []
    socket.on('message', bytes => answers.push(bytes))
    const syn = encodeUtp({
      type: UTP_SYN,
      connection: 500,
      timestamp: 1,
      difference: 0,
      window: 9,
      sequence: 1,
      ack: 0,
    })
    for (let i = 0; i < 2; i++) {
      socket.send(syn, udp.port, '127.0.0.1')
      await until('it is answered', 10_000, () => answers.length === i + 1)
    }
    assert.deepEqual([utp.size, accepted.length], [1, 0])
    const [first, second] = answers.map(bytes => decodeUtp(bytes)!)
    assert.deepEqual([first!.type, first!.connection, first!.ack], [UTP_STATE, 500, 1])
    assert.equal(first!.sequence, second!.sequence)
  },
)

test('of strangers that only ask the oldest go, silently, and a peer still gets in', limit, async t => {
  const { udp, utp, accepted } = await side(t)
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  const answers: number[] = []
  socket.on('message', bytes => answers.push(decodeUtp(bytes)!.type))
  const fields = { type: UTP_SYN, timestamp: 1, difference: 0, window: 9, sequence: 1, ack: 0 }
  for (let i = 0; i < 600; i++) {
    socket.send(encodeUtp({ ...fields, connection: i * 3 }), udp.port, '127.0.0.1')
    if (i % 50 === 0) await sleep(5)
  }
  await until('all are answered', 10_000, () => answers.length === 600)
  assert.deepEqual([utp.size, accepted.length, new Set(answers).size], [256, 0, 1])
  const a = await side(t)
  const outgoing = await a.utp.connect({ host: '127.0.0.1', port: udp.port }, never())
  outgoing.send([Uint8Array.of(1)])
  await until('it is accepted', 10_000, () => accepted.length === 1)
  assert.deepEqual(accepted[0]!.address.port, a.udp.port)
})

test('datagrams of others pass it by, and connections share the port with them', limit, async t => {
  const { a, b, outgoing, incoming } = await connected(t)
  const heard: string[] = []
  b.udp.listen(bytes => {
    if (bytes[0] === 0x64) heard.push(Buffer.from(bytes).toString())
  })
  const atB = new Heard(incoming)
  incoming.resume()
  a.udp.send(Buffer.from('d1:q4:pinge'), { host: '127.0.0.1', port: b.udp.port })
  outgoing.send([Buffer.from('hello')])
  await until('both came', 10_000, () => heard.length === 1 && atB.length === 5)
  assert.deepEqual(heard, ['d1:q4:pinge'])
})

test('many connections opened and closed leave nothing', { timeout: 120_000 }, async t => {
  const [a, b] = [await side(t), await side(t)]
  let ended = 0
  for (let round = 0; round < 20; round++) {
    const outgoing = await Promise.all(
      Array.from({ length: 50 }, () => a.utp.connect({ host: '127.0.0.1', port: b.udp.port }, never())),
    )
    for (const transport of outgoing) transport.send([Uint8Array.of(1)])
    await until('all are accepted', 20_000, () => b.accepted.length === 50)
    for (const [i, transport] of [...outgoing, ...b.accepted].entries()) {
      transport.setReceiver({ receive() {}, sent() {}, ended: () => void ended++ })
      transport.resume()
      if (i % 3 === 0) transport.send([Buffer.alloc(5000)])
    }
    b.accepted.splice(0)
    for (const [i, transport] of outgoing.entries()) if (i % 2 === 0) transport.destroy()
    for (const transport of outgoing) transport.destroy()
    await until('all have ended', 20_000, () => a.utp.size + b.utp.size === 0)
  }
  await until('all were told', 20_000, () => ended === 2000)
})

test(
  'a flood of made-up datagrams throws nothing, keeps little, and a connection goes on beside it',
  limit,
  async t => {
    const { b, outgoing, incoming } = await connected(t)
    const atB = new Heard(incoming)
    incoming.resume()
    // Strangers are let in by nobody here: what is pending is dropped as a listener would.
    const drop = setInterval(() => {
      for (const transport of b.accepted.splice(1)) transport.destroy()
    }, 50)
    t.after(() => clearInterval(drop))
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    t.after(() => socket.close())
    const random = randomFrom(11)
    const int = (below: number): number => Math.floor(random() * below)
    const ids = [incoming.stream.receiveId, incoming.stream.receiveId + 1, 1, 2, 3]
    for (let i = 0; i < 20_000; i++) {
      const header = encodeUtp({
        type: int(6) % 5,
        connection: random() < 0.5 ? ids[int(ids.length)]! : int(65536),
        timestamp: int(2 ** 32),
        difference: int(2 ** 32),
        window: int(2 ** 32),
        sequence: int(65536),
        ack: int(65536),
      })
      const datagram = Buffer.concat([header, randomBytes(int(60))])
      for (let flips = int(4); flips > 0; flips--) datagram[int(datagram.length)] = int(256)
      socket.send(
        random() < 0.1 ? datagram.subarray(0, int(datagram.length)) : datagram,
        b.udp.port,
        '127.0.0.1',
      )
      if (i % 500 === 0) {
        outgoing.send([Buffer.alloc(1000)])
        await sleep(5)
      }
    }
    await until('all came', 30_000, () => atB.length === 40_000)
    assert.deepEqual(atB.ends, [])
  },
)

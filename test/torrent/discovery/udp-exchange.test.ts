import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { HostResolver } from '../../../src/torrent/net/host-resolver.js'
import { UdpExchange, type UdpRequest } from '../../../src/torrent/discovery/udp-exchange.js'
import { encodeScrape, type UdpAnswer } from '../../../src/torrent/discovery/udp-messages.js'
import { politeUdp, RudeUdpTracker, udpAnswer } from './rude-trackers.js'

/** Any request will do: 36 bytes with the action of an announce. */
const request: UdpRequest = {
  kind: 'announce',
  encode(connection, transaction) {
    const bytes = encodeScrape(connection, transaction, [new Uint8Array(20)])
    bytes[11] = 1
    return bytes
  },
}

function exchange(o: { firstTimeoutMs?: number; attempts?: number } = {}): UdpExchange & Disposable {
  const made = new UdpExchange({ resolver: new HostResolver(), firstTimeoutMs: 1000, ...o })
  return Object.assign(made, { [Symbol.dispose]: () => made.close() })
}

const payload = (answer: UdpAnswer): string => Buffer.from(answer.payload).toString('hex')

test('a request is made with the connection id that was given', async () => {
  await using tracker = await RudeUdpTracker.start(politeUdp)
  using udp = exchange()
  const answer = await udp.send(tracker.url, 4, request)
  assert.equal(answer.kind, 'announce')
  assert.match(payload(answer), /010203041ae1$/)
  assert.deepEqual(
    tracker.datagrams.map(({ action, connection }) => [action, connection]),
    [
      [0, '0000041727101980'],
      [1, 'c0ffee00c0ffee00'],
    ],
  )
})

test('a hundred torrents share one connection id and one socket', async () => {
  await using tracker = await RudeUdpTracker.start(politeUdp)
  using udp = exchange()
  await Promise.all(Array.from({ length: 100 }, () => udp.send(tracker.url, 4, request)))
  await udp.send(tracker.url, 4, request)
  assert.equal(tracker.count(0), 1)
  assert.equal(tracker.count(1), 101)
  assert.equal(new Set(tracker.datagrams.map(({ from }) => from.port)).size, 1)
  assert.equal(new Set(tracker.datagrams.map(({ transaction }) => transaction)).size, 102)
})

test('what is lost is sent again, later each time, until the tracker is given up', async () => {
  await using tracker = await RudeUdpTracker.start(() => undefined)
  using udp = exchange({ firstTimeoutMs: 40, attempts: 3 })
  const begun = performance.now()
  await assert.rejects(udp.send(tracker.url, 4, request), {
    code: 'ERR_TORRENTFS_TIMEOUT',
    message: /^udp:\/\/127\.0\.0\.1:\d+: no answer$/,
  })
  const took = performance.now() - begun
  assert.ok(took >= 270 && took < 1500, `${took} ms`)
  assert.equal(tracker.count(0), 3)
  assert.equal(udp.pending, 0)
})

test('a lost answer costs one retransmission', async () => {
  let lose = 2
  await using tracker = await RudeUdpTracker.start(datagram => (lose-- > 0 ? undefined : politeUdp(datagram)))
  using udp = exchange({ firstTimeoutMs: 30 })
  assert.equal((await udp.send(tracker.url, 4, request)).kind, 'announce')
})

test('an error of the tracker is its answer', async () => {
  await using tracker = await RudeUdpTracker.start(datagram =>
    datagram.action === 0
      ? politeUdp(datagram)
      : udpAnswer(3, datagram, Buffer.from('go away').toString('hex')),
  )
  using udp = exchange()
  const answer = await udp.send(tracker.url, 4, request)
  assert.deepEqual([answer.kind, Buffer.from(answer.payload).toString()], ['error', 'go away'])
  assert.equal(tracker.count(1), 1)
})

test('a kept connection id that the tracker no longer takes is replaced', async () => {
  let valid = 'aaaaaaaaaaaaaaaa'
  await using tracker = await RudeUdpTracker.start(datagram => {
    if (datagram.action === 0) return udpAnswer(0, datagram, valid)
    return datagram.connection === valid ? politeUdp(datagram) : udpAnswer(3, datagram, '6964')
  })
  using udp = exchange()
  await udp.send(tracker.url, 4, request)
  valid = 'bbbbbbbbbbbbbbbb'
  assert.equal((await udp.send(tracker.url, 4, request)).kind, 'announce')
  assert.equal(tracker.count(0), 2)
})

test('a kept connection id that is met with silence is replaced', async () => {
  let valid = 'aaaaaaaaaaaaaaaa'
  await using tracker = await RudeUdpTracker.start(datagram => {
    if (datagram.action === 0) return udpAnswer(0, datagram, valid)
    return datagram.connection === valid ? politeUdp(datagram) : undefined
  })
  using udp = exchange({ firstTimeoutMs: 50 })
  await udp.send(tracker.url, 4, request)
  valid = 'bbbbbbbbbbbbbbbb'
  assert.equal((await udp.send(tracker.url, 4, request)).kind, 'announce')
})

test('datagrams from elsewhere, of another transaction, of another kind or cut short change nothing', async () => {
  const stranger = createSocket('udp4').unref()
  await using tracker = await RudeUdpTracker.start((datagram, self) => {
    const { port, address } = datagram.from
    stranger.send(politeUdp(datagram), port, address)
    const noise = [
      politeUdp({ ...datagram, transaction: (datagram.transaction ^ 1) >>> 0 }),
      udpAnswer(2, datagram, 'ffffffff'),
      udpAnswer(7, datagram, 'ffffffff'),
      Buffer.from('0000'),
      Buffer.alloc(0),
    ]
    for (const bytes of noise) self.socket.send(bytes, port, address)
    setTimeout(() => self.socket.send(politeUdp(datagram), port, address), 40)
    return undefined
  })
  using udp = exchange()
  const begun = performance.now()
  const answer = await udp.send(tracker.url, 4, request)
  assert.match(payload(answer), /010203041ae1$/)
  assert.ok(performance.now() - begun >= 75, 'it was the late, right answers that counted')
  stranger.close()
  await once(stranger, 'close')
})

test('answers that come too late or twice are nobody’s', async () => {
  await using tracker = await RudeUdpTracker.start((datagram, self) => {
    setTimeout(() => self.socket.send(politeUdp(datagram), datagram.from.port, datagram.from.address), 60)
    return politeUdp(datagram)
  })
  using udp = exchange()
  await udp.send(tracker.url, 4, request)
  await sleep(100)
  assert.equal(udp.pending, 0)
})

test('a connect answer cut short is an error of the tracker', async () => {
  await using tracker = await RudeUdpTracker.start(datagram => udpAnswer(0, datagram, 'abcd'))
  using udp = exchange()
  await assert.rejects(udp.send(tracker.url, 4, request), {
    code: 'ERR_TORRENTFS_TRACKER',
    message: /cut short/,
  })
})

test('an abort ends the wait at once, and close ends them all', async () => {
  await using tracker = await RudeUdpTracker.start(datagram =>
    datagram.action === 0 ? politeUdp(datagram) : undefined,
  )
  using udp = exchange({ firstTimeoutMs: 60_000 })
  const controller = new AbortController()
  const one = udp.send(tracker.url, 4, request, controller.signal)
  const two = udp.send(tracker.url, 4, request)
  while (tracker.count(1) < 2) await sleep(5)
  controller.abort()
  await assert.rejects(one, { code: 'ERR_TORRENTFS_ABORTED' })
  assert.equal(udp.pending, 1)
  udp.close()
  await assert.rejects(two, { code: 'ERR_TORRENTFS_CLOSED' })
  await assert.rejects(udp.send(tracker.url, 4, request), { code: 'ERR_TORRENTFS_CLOSED' })
  assert.equal(udp.pending, 0)
})

test('addresses that no tracker can have are not sent to', async () => {
  using udp = exchange()
  for (const host of ['0.0.0.0', '255.255.255.255', '239.1.1.1', '[ff02::1]']) {
    const family = host.startsWith('[') ? 6 : 4
    await assert.rejects(udp.send(new URL(`udp://${host}:9/announce`), family, request), {
      code: 'ERR_TORRENTFS_TRACKER',
    })
  }
})

test('IPv6 trackers are reached over a socket of their own', async t => {
  const tracker = await RudeUdpTracker.start(politeUdp, '::1').catch(() => undefined)
  if (tracker === undefined) return t.skip('no IPv6 loopback here')
  await using _ = tracker
  using udp = exchange()
  assert.equal((await udp.send(tracker.url, 6, request)).kind, 'announce')
})

import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KnownAddress } from '../../../src/torrent/discovery/announce.js'
import { Announcer, type AnnouncerOptions } from '../../../src/torrent/discovery/announcer.js'
import { AnnounceLimiter } from '../../../src/torrent/discovery/announce-limiter.js'
import { TrackerClient } from '../../../src/torrent/discovery/tracker-client.js'
import { politeUdp, RudeHttpTracker, RudeUdpTracker } from './rude-trackers.js'

const POLITE = 'd8:intervali1800e5:peers6:\x01\x02\x03\x04\x1a\xe1e'

function polite(response: ServerResponse): void {
  response.end(Buffer.from(POLITE, 'latin1'))
}

const saying = (text: string) => (response: ServerResponse) => void response.end(Buffer.from(text, 'latin1'))

/** The events a tracker was told, a regular announce as `-`. */
const eventsOf = (tracker: RudeHttpTracker): string[] =>
  tracker.requests.map(({ url }) => new URL(url, 'http://x').searchParams.get('event') ?? '-')

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const begun = performance.now(); !condition(); await sleep(5)) {
    if (performance.now() - begun > 30_000) throw new Error(`not in 30 s: ${what}`)
  }
}

/** An announcer with what it told its owner. */
class Owned implements AsyncDisposable {
  readonly peers: KnownAddress[] = []
  readonly warnings: string[] = []
  readonly announcer: Announcer
  readonly #client: TrackerClient

  constructor(tiers: readonly (readonly (URL | string)[])[], o: Partial<AnnouncerOptions> = {}) {
    this.#client =
      o.trackers ?? new TrackerClient({ udpFirstTimeoutMs: 50, udpAttempts: 2, httpTimeoutMs: 2000 })
    this.announcer = new Announcer({
      tiers: tiers.map(tier => tier.map(String)),
      infohash: new Uint8Array(20).fill(1),
      peerId: new Uint8Array(20).fill(2),
      port: () => 6881,
      stats: () => ({ uploaded: 0, downloaded: 0, left: 100 }),
      onPeers: addresses => this.peers.push(...addresses),
      onWarning: warning => this.warnings.push(warning.message),
      trackers: this.#client,
      // The order given.
      random: () => 0.999,
      schedule: { shortestIntervalMs: 50, firstRetryMs: 30, longestRetryMs: 100 },
      ...o,
    })
    this.announcer.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.announcer.stop()
    this.#client.close()
  }
}

test('a torrent says started, completed and stopped, and hands over the peers it is given', async () => {
  await using tracker = await RudeHttpTracker.start(polite)
  await using owned = new Owned([[tracker.url()]])
  await until('the first answer', () => owned.peers.length > 0)
  assert.deepEqual(owned.peers, [{ host: '1.2.3.4', port: 6881 }])
  owned.announcer.completed()
  await until('completed', () => tracker.requests.length === 2)
  await until('working again', () => owned.announcer.status()[0]?.state === 'working')
  await owned.announcer.stop()
  assert.deepEqual(eventsOf(tracker), ['started', 'completed', 'stopped'])
  const last = new URL(tracker.requests[2]!.url, 'http://x').searchParams
  assert.equal(last.get('numwant'), '0')
  assert.equal(
    new Set(tracker.requests.map(({ url }) => new URL(url, 'http://x').searchParams.get('key'))).size,
    1,
  )
  assert.equal(owned.announcer.status()[0]?.state, 'stopped')
})

test('announces come again at the interval and give back the tracker id', async () => {
  await using tracker = await RudeHttpTracker.start(saying('d8:intervali0e10:tracker id2:iDe'))
  await using _owned = new Owned([[tracker.url()]])
  await until('three announces', () => tracker.requests.length >= 3)
  assert.deepEqual(eventsOf(tracker).slice(0, 3), ['started', '-', '-'])
  assert.deepEqual(
    tracker.requests.slice(0, 3).map(({ url }) => new URL(url, 'http://x').searchParams.get('trackerid')),
    [null, 'iD', 'iD'],
  )
})

test('when a tracker of a tier fails the next is tried at once, and it is the first from then on', async () => {
  let alive = true
  await using dead = await RudeHttpTracker.start(response => response.destroy())
  await using backup = await RudeHttpTracker.start(response => {
    if (alive) saying('d8:intervali0ee')(response)
    else response.destroy()
  })
  await using owned = new Owned([[dead.url(), backup.url()]])
  await until('two announces', () => backup.requests.length >= 2)
  assert.equal(dead.requests.length, 1)
  assert.deepEqual(
    owned.announcer.status().map(({ url, state }) => [url, state === 'announcing' ? 'working' : state]),
    [
      [backup.url().href, 'working'],
      [dead.url().href, 'failed'],
    ],
  )
  alive = false
  await until('the dead one is tried again', () => dead.requests.length >= 2)
  assert.match(owned.announcer.status()[1]?.error ?? '', /^http:\/\/127\.0\.0\.1:\d+: /)
})

test('every tier is announced to, and a dead one delays no other', async () => {
  await using silent = await RudeUdpTracker.start(() => undefined)
  await using http = await RudeHttpTracker.start(polite)
  await using udp = await RudeUdpTracker.start(politeUdp)
  const begun = performance.now()
  const client = new TrackerClient()
  await using owned = new Owned([[silent.url], [http.url()], [udp.url]], { trackers: client })
  await until('both answers', () => owned.peers.length === 2)
  assert.ok(performance.now() - begun < 2000)
  assert.deepEqual(
    owned.announcer.status().map(({ tier, state }) => [tier, state]),
    [
      [0, 'announcing'],
      [1, 'working'],
      [2, 'working'],
    ],
  )
})

test('by the letter of BEP 12 the second tier is asked only when all of the first fail', async () => {
  await using refusing = await RudeHttpTracker.start(saying('d14:failure reason2:noe'))
  await using working = await RudeHttpTracker.start(polite)
  await using spare = await RudeHttpTracker.start(polite)
  await using owned = new Owned([[refusing.url()], [working.url()], [spare.url()]], { everyTier: false })
  await until('an answer', () => owned.peers.length > 0)
  await sleep(100)
  assert.deepEqual(
    [refusing, working, spare].map(({ requests }) => requests.length),
    [1, 1, 0],
  )
  assert.deepEqual(
    owned.announcer.status().map(({ state }) => state),
    ['failed', 'working', 'unused'],
  )
})

test('refusals and warnings are told once each, without the passkey', async () => {
  let count = 0
  await using tracker = await RudeHttpTracker.start(response =>
    saying(++count % 2 === 1 ? 'd14:failure reason7:go awaye' : 'd8:intervali0e15:warning message4:slowe')(
      response,
    ),
  )
  await using owned = new Owned([[tracker.url('/SECRET/announce')]])
  await until('many announces', () => tracker.requests.length >= 5)
  const label = `http://127.0.0.1:${tracker.port}`
  assert.deepEqual(owned.warnings, [`${label} says: go away`, `${label} says: slow`])
})

test('a tracker that finds new words every time is not listened to for ever', async () => {
  let count = 0
  await using tracker = await RudeHttpTracker.start(response => {
    saying(`d8:intervali0e15:warning message4:${1000 + count++}e`)(response)
  })
  await using owned = new Owned([[tracker.url()]], { schedule: { shortestIntervalMs: 1 } })
  await until('many announces', () => tracker.requests.length >= 30)
  assert.equal(owned.warnings.length, 10)
})

test('a tracker that says never is not asked again, even for somebody who waits', async () => {
  await using tracker = await RudeHttpTracker.start(saying('d14:failure reason4:gone8:retry in5:nevere'))
  await using owned = new Owned([[tracker.url()]])
  await until('the refusal', () => owned.warnings.length === 1)
  owned.announcer.requestPeers()
  await sleep(150)
  assert.equal(tracker.requests.length, 1)
  assert.deepEqual(
    owned.announcer.status().map(({ state, error, nextAnnounceAt }) => [state, error, nextAnnounceAt]),
    [['failed', 'gone', undefined]],
  )
})

test('nonsense and error statuses are refusals that name what came', async () => {
  const replies: [(response: ServerResponse) => void, RegExp][] = [
    [saying('<html>blocked</html>'), /not bencoded/],
    [response => response.writeHead(503).end('busy'), /HTTP status 503/],
    [response => response.writeHead(403).end('d14:failure reason6:bannede'), /^banned$/],
    [response => response.writeHead(403).end(POLITE), /HTTP status 403/],
  ]
  for (const [reply, expected] of replies) {
    await using tracker = await RudeHttpTracker.start(reply)
    await using owned = new Owned([[tracker.url()]])
    await until('the refusal', () => owned.announcer.status()[0]!.failures > 0)
    assert.match(owned.announcer.status()[0]?.error ?? '', expected)
    assert.equal(owned.peers.length, 0)
  }
})

test('peers are asked for ahead of time when somebody waits, not before the minimum interval', async () => {
  await using tracker = await RudeHttpTracker.start(saying('d8:intervali1800e12:min intervali1ee'))
  await using owned = new Owned([[tracker.url()]])
  await until('the answer', () => owned.announcer.status()[0]?.state === 'working')
  owned.announcer.requestPeers()
  await sleep(300)
  assert.equal(tracker.requests.length, 1)
  await until('the second announce', () => tracker.requests.length === 2)
})

test('trackers added later are used, those known already only once, and others not at all', async () => {
  await using first = await RudeHttpTracker.start(polite)
  await using second = await RudeHttpTracker.start(polite)
  await using owned = new Owned([[first.url()]])
  await until('an answer', () => owned.peers.length === 1)
  owned.announcer.addTrackers([[first.url().href], [second.url().href, 'wss://t.example/'], ['nonsense']])
  await until('another answer', () => owned.peers.length === 2)
  assert.deepEqual([first.requests.length, second.requests.length], [1, 1])
  assert.equal(owned.announcer.status().length, 2)
})

test('a torrent with a million trackers uses a hundred', () => {
  const tiers = Array.from({ length: 20_000 }, (_, index) => [`http://t${index}.example/announce`])
  const client = new TrackerClient()
  const announcer = new Announcer({
    ...{ tiers, infohash: new Uint8Array(20), peerId: new Uint8Array(20), port: () => 1, trackers: client },
    stats: () => ({ uploaded: 0, downloaded: 0, left: undefined }),
    onPeers: () => {},
  })
  assert.equal(announcer.status().length, 100)
  client.close()
})

test('stop takes at most a second and a half whatever the tracker does, and is said once', async () => {
  let silent = false
  await using tracker = await RudeHttpTracker.start(response => {
    if (!silent) polite(response)
  })
  await using owned = new Owned([[tracker.url()]], { trackers: new TrackerClient() })
  await until('the answer', () => owned.peers.length > 0)
  silent = true
  const begun = performance.now()
  await Promise.all([owned.announcer.stop(), owned.announcer.stop()])
  const took = performance.now() - begun
  assert.ok(took >= 1400 && took < 2200, `${took} ms`)
  assert.deepEqual(eventsOf(tracker), ['started', 'stopped'])
})

test('trackers that never answered are not waited for at the end', async () => {
  await using dead = await RudeHttpTracker.start(response => response.destroy())
  await using owned = new Owned([[dead.url()]])
  await until('a failure', () => owned.announcer.status()[0]!.failures > 0)
  const begun = performance.now()
  await owned.announcer.stop()
  assert.ok(performance.now() - begun < 500)
  assert.equal(eventsOf(dead).includes('stopped'), false)
})

test('an announce that still waits for its turn is not followed by stopped', async () => {
  await using tracker = await RudeHttpTracker.start(() => {})
  const limiter = new AnnounceLimiter({ concurrentPerTracker: 1 })
  const client = new TrackerClient({ limiter })
  await using first = new Owned([[tracker.url()]], { trackers: client })
  await until('the first announce', () => tracker.requests.length === 1)
  await using second = new Owned([[tracker.url()]], { trackers: client })
  await until('the second waits', () => limiter.load.waiting === 1)
  assert.equal(first.announcer.status()[0]?.state, 'announcing')
  assert.equal(second.announcer.status()[0]?.state, 'queued')
  const begun = performance.now()
  await second.announcer.stop()
  assert.ok(performance.now() - begun < 500)
  assert.deepEqual(eventsOf(tracker), ['started'])
})

test('a stop while the first announce is on its way still says stopped', async () => {
  const waiting: ServerResponse[] = []
  await using tracker = await RudeHttpTracker.start((response, request: IncomingMessage) => {
    if (request.url?.includes('event=stopped') === true) polite(response)
    else waiting.push(response)
  })
  await using owned = new Owned([[tracker.url()]])
  await until('the announce', () => waiting.length === 1)
  await owned.announcer.stop()
  assert.deepEqual(eventsOf(tracker), ['started', 'stopped'])
  assert.equal(owned.peers.length, 0)
})

test('the signal ends it at once and without a word', async () => {
  await using tracker = await RudeHttpTracker.start(saying('d8:intervali0ee'))
  const controller = new AbortController()
  await using owned = new Owned([[tracker.url()]], { signal: controller.signal })
  await until('an announce', () => owned.announcer.status()[0]?.answeredAt !== undefined)
  controller.abort()
  const count = tracker.requests.length
  await sleep(150)
  assert.ok(tracker.requests.length <= count + 1)
  await owned.announcer.stop()
  assert.equal(eventsOf(tracker).includes('stopped'), false)
  const late = new Owned([[tracker.url()]], { signal: controller.signal })
  await late[Symbol.asyncDispose]()
})

test('an owner whose callbacks throw harms nobody', async () => {
  await using tracker = await RudeHttpTracker.start(
    saying('d8:intervali0e5:peers6:\x01\x02\x03\x04\x1a\xe1e'),
  )
  const errors: object[] = []
  const silent = { debug: () => {}, info: () => {}, warn: () => {} }
  await using _owned = new Owned([[tracker.url()]], {
    onPeers: () => {
      throw new Error('owner')
    },
    logger: { ...silent, error: fields => errors.push(fields) },
  })
  await until('two announces', () => tracker.requests.length >= 2)
  assert.ok(errors.length >= 1)
})

test('an announcer without trackers starts and stops', async () => {
  await using owned = new Owned([])
  owned.announcer.completed()
  owned.announcer.requestPeers()
  assert.deepEqual(owned.announcer.status(), [])
})

test('two thousand torrents on one tracker all announce, a few at a time', async () => {
  let active = 0
  let most = 0
  await using tracker = await RudeHttpTracker.start(response => {
    most = Math.max(most, ++active)
    setImmediate(() => {
      active--
      polite(response)
    })
  })
  const client = new TrackerClient()
  const all = Array.from({ length: 2000 }, () => new Owned([[tracker.url()]], { trackers: client }))
  await until('every answer', () => all.every(({ peers }) => peers.length === 1))
  assert.ok(most <= 10, `${most} at once`)
  await Promise.all(all.map(({ announcer }) => announcer.stop()))
  client.close()
})

test('a partial seed says paused in what would say nothing else, and how many addresses it wants each time', async () => {
  await using tracker = await RudeHttpTracker.start(saying('d8:intervali0e5:peers0:e'))
  let paused = false
  let wanted = 7
  await using owned = new Owned([[tracker.url()]], {
    stats: () => ({ uploaded: 0, downloaded: 0, left: 100, paused }),
    numWant: () => wanted,
  })
  await until('started', () => tracker.requests.length >= 1)
  paused = true
  wanted = 0
  await until('a regular announce', () => eventsOf(tracker).includes('paused'))
  paused = false
  wanted = 90
  const from = tracker.requests.length
  await until('another', () => eventsOf(tracker).slice(from).includes('-'))
  await owned.announcer.stop()
  const events = eventsOf(tracker)
  assert.equal(events[0], 'started')
  assert.equal(events.at(-1), 'stopped')
  const numbers = tracker.requests.map(({ url }) => new URL(url, 'http://x').searchParams.get('numwant'))
  assert.equal(numbers[0], '7')
  for (const [i, event] of events.entries()) {
    if (event === 'paused') assert.equal(numbers[i], '0')
  }
  assert.ok(numbers.includes('90'))
})

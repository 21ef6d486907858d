import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Announcer, type AnnouncerOptions } from '../../../src/torrent/discovery/announcer.js'
import { TrackerClient } from '../../../src/torrent/discovery/tracker-client.js'
import { hasOpentracker, LocalOpentracker } from './local-opentracker.js'

const infohashes = Array.from({ length: 160 }, (_, index) => Buffer.alloc(20, `torrent ${index}`))
const skip = hasOpentracker() ? false : 'SKIP: opentracker is not installed'

let tracker: LocalOpentracker
let client: TrackerClient

before(async () => {
  if (skip !== false) return
  tracker = await LocalOpentracker.start(infohashes.map(infohash => infohash.toString('hex')))
  client = new TrackerClient()
})

after(async () => {
  client?.close()
  await tracker?.[Symbol.asyncDispose]()
})

interface Peer {
  readonly announcer: Announcer
  readonly ports: Set<number>
  left: number
}

function peer(
  url: URL,
  infohash: Uint8Array,
  port: number,
  left: number,
  o: Partial<AnnouncerOptions> = {},
): Peer {
  const ports = new Set<number>()
  const made: Peer = {
    ports,
    left,
    announcer: new Announcer({
      tiers: [[url.href]],
      infohash,
      peerId: Buffer.alloc(20, `-TF0001-${port}`),
      port: () => port,
      stats: () => ({ uploaded: 0, downloaded: 0, left: made.left }),
      onPeers: addresses => addresses.forEach(address => ports.add(address.port)),
      trackers: client,
      schedule: { shortestIntervalMs: 100 },
      ...o,
    }),
  }
  made.announcer.start()
  return made
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const begun = performance.now(); !(await condition()); await sleep(10)) {
    if (performance.now() - begun > 5000) throw new Error(`not in 5 s: ${what}`)
  }
}

async function numbers(url: URL, infohash: Uint8Array): Promise<[number, number, number]> {
  const scrape = await client.scrape(url, [infohash])
  assert.equal(scrape.kind, 'answer')
  const [entry] = scrape.entries
  return entry === undefined ? [0, 0, 0] : [entry.seeders, entry.leechers, entry.downloads]
}

const kinds = ['http', 'udp'] as const
for (const [index, kind] of kinds.entries()) {
  const urlOf = (): URL => (kind === 'http' ? tracker.httpUrl : tracker.udpUrl)

  test(`peers of a torrent find each other by opentracker over ${kind}`, { skip }, async () => {
    const infohash = infohashes[index]!
    const seeder = peer(urlOf(), infohash, 7001, 0)
    await until('the seeder is known', async () => (await numbers(urlOf(), infohash))[0] === 1)
    const leecher = peer(urlOf(), infohash, 7002, 100)
    await until('the seeder is found', () => leecher.ports.has(7001))
    assert.deepEqual(await numbers(urlOf(), infohash), [1, 1, 0])
    const status = leecher.announcer.status()[0]!
    assert.equal(status.state, 'working')
    assert.deepEqual([status.seeders, status.leechers], [1, 1])
    assert.ok(status.nextAnnounceAt! > Date.now() + 60_000)

    leecher.left = 0
    leecher.announcer.completed()
    await until('two seeders', async () => (await numbers(urlOf(), infohash))[0] === 2)
    assert.deepEqual(await numbers(urlOf(), infohash), [2, 0, 1])

    await leecher.announcer.stop()
    assert.deepEqual(await numbers(urlOf(), infohash), [1, 0, 1])
    await seeder.announcer.stop()
    assert.deepEqual(await numbers(urlOf(), infohash), [0, 0, 1])
  })

  test(`a torrent opentracker does not serve is a refusal over ${kind}`, { skip }, async () => {
    const stranger = peer(urlOf(), Buffer.alloc(20, 'stranger'), 7003, 100)
    await until('the refusal', () => stranger.announcer.status()[0]!.failures > 0)
    const { error } = stranger.announcer.status()[0]!
    assert.match(error ?? '', kind === 'http' ? /not authorized/ : /cut short/)
    await stranger.announcer.stop()
  })

  test(
    `a scrape of more torrents than fit one request is made of several over ${kind}`,
    { skip },
    async () => {
      const seeder = peer(urlOf(), infohashes[155]!, 7004, 0)
      await until('the seeder is known', async () => (await numbers(urlOf(), infohashes[155]!))[0] === 1)
      const scrape = await client.scrape(urlOf(), infohashes)
      assert.equal(scrape.kind, 'answer')
      const found = scrape.entries.filter(({ seeders }) => seeders > 0).map(({ infohash }) => infohash)
      assert.deepEqual(found, [infohashes[155]!.toString('hex')])
      await seeder.announcer.stop()
    },
  )
}

test('over both transports it is one swarm', { skip }, async () => {
  const infohash = infohashes[10]!
  const one = peer(tracker.httpUrl, infohash, 7005, 100)
  await until('it is known', async () => (await numbers(tracker.udpUrl, infohash))[1] === 1)
  const two = peer(tracker.udpUrl, infohash, 7006, 100)
  await until('it is found', () => two.ports.has(7005))
  await Promise.all([one.announcer.stop(), two.announcer.stop()])
})

test('a dead tracker in front of a working one costs no more than its refusal', { skip }, async () => {
  const dead = await LocalOpentracker.start([])
  const url = dead.httpUrl
  await dead[Symbol.asyncDispose]()
  const tiers = [[url.href, tracker.httpUrl.href]]
  const found = peer(url, infohashes[11]!, 7007, 100, { tiers, random: () => 0.999 })
  await until('an answer', () => found.ports.has(7007))
  assert.equal(found.announcer.status()[0]?.url, tracker.httpUrl.href)
  await found.announcer.stop()
})

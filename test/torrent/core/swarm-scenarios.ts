/**
 * What is read from which swarm, and how well it went: the rows of `npm run simulate`, some of them held by tests.
 *
 * Owns the scenarios and their measures. One run is a function of its scenario and seed.
 */
import { type PeerTraits } from './simulated-peer.js'
import { SimulatedReader } from './simulated-reader.js'
import { SimulatedSwarm } from './simulated-swarm.js'
import {
  floorMs,
  internetPeer,
  manyPeers,
  scaledTo,
  totalRate,
  unreliable,
  webSeedLike,
} from './swarm-shapes.js'
import { randomFrom } from './virtual-clock.js'

const KIB = 1024
const MIB = 1024 * KIB
const MB = 1_000_000

export interface Scenario {
  readonly name: string
  peers(random: () => number): PeerTraits[]
  /** Round trip of the one fast peer it is compared with, in ms. */
  readonly rttMs: number
  /** Bytes/s of that peer at most; less when all peers together send less. */
  readonly most?: number
  /** Bytes read in one go, by all readers together. */
  readonly bytes?: number
  /** Bytes a read. */
  readonly size?: number
  readonly pieceLength?: number
  readonly readers?: number
  /** Bytes/s of a player; as fast as it comes by default. */
  readonly pace?: number
  /** Bytes/s of our own line. */
  readonly lineRate?: number
}

export interface Figures {
  /** Bytes/s that the readers got together. */
  readonly rate: number
  /** Bytes/s of the one fast peer in its place. */
  readonly reference: number
  /** Payload that came for nothing while reading on, as a share of what was of use. */
  readonly duplicates: number
  /** The same with the seeks. */
  readonly wasted: number
  /** Reads that waited for more than a second, the first read excepted. */
  readonly stalls: number
  readonly longestMs: number
  /** From the opening to the first bytes, and how soon they could have come. */
  readonly firstMs: number
  readonly firstFloorMs: number
  /** From a seek to its first bytes: each of them, and how soon they could have come from peers that are idle. */
  readonly seeksMs: readonly number[]
  readonly seekFloorMs: number
  readonly requests: number
}

export const SCENARIOS: readonly Scenario[] = [
  { name: '1 peer, 40 ms', rttMs: 40, peers: () => [internetPeer(20, 5 * MB)] },
  { name: '1 peer, 300 ms', rttMs: 300, peers: () => [internetPeer(150, 5 * MB)] },
  {
    name: '2 peers, 20 and 300 ms',
    rttMs: 20,
    peers: () => [internetPeer(10, 4 * MB), internetPeer(150, 4 * MB)],
  },
  {
    name: '2 like web seeds, 60 ms',
    rttMs: 60,
    peers: () => [webSeedLike(30, 4 * MB), webSeedLike(30, 4 * MB)],
  },
  {
    name: '2 web seeds, 30 peers',
    rttMs: 60,
    peers: random => [
      ...Array.from({ length: 2 }, () => webSeedLike(30, 2 * MB)),
      ...manyPeers(random, 30, 40),
    ],
  },
  { name: '30 peers, 40 ms', rttMs: 40, peers: random => manyPeers(random, 30, 40) },
  {
    name: '30 unreliable, 40 ms',
    rttMs: 40,
    peers: random => [...unreliable(random, manyPeers(random, 30, 40)), internetPeer(20, MB)],
  },
  { name: '200 peers, 150 ms', rttMs: 150, peers: random => manyPeers(random, 200, 150) },
  {
    name: '200 peers, 128 KiB reads',
    rttMs: 150,
    size: 128 * KIB,
    peers: random => manyPeers(random, 200, 150),
  },
  {
    name: '200 peers, 4 MiB pieces',
    rttMs: 150,
    pieceLength: 4 * MIB,
    peers: random => manyPeers(random, 200, 150),
  },
  {
    name: '200 peers, 256 KiB pieces',
    rttMs: 150,
    pieceLength: 256 * KIB,
    peers: random => manyPeers(random, 200, 150),
  },
  {
    name: '200 peers, 10 MB/s in all',
    rttMs: 150,
    peers: random => scaledTo(manyPeers(random, 200, 150), 10 * MB),
  },
  {
    name: '200 peers, line of 10 MB/s',
    rttMs: 150,
    lineRate: 10 * MB,
    peers: random => manyPeers(random, 200, 150),
  },
  {
    name: '200 unreliable, 150 ms',
    rttMs: 150,
    peers: random => [...unreliable(random, manyPeers(random, 200, 150)), internetPeer(75, MB)],
  },
  {
    name: '200 peers, a film of 2 MB/s',
    rttMs: 150,
    pace: 2 * MB,
    size: 128 * KIB,
    bytes: 128 * MIB,
    peers: random => manyPeers(random, 200, 150),
  },
  {
    name: '200 unreliable, 2 MB/s film',
    rttMs: 150,
    pace: 2 * MB,
    size: 128 * KIB,
    bytes: 128 * MIB,
    peers: random => [...unreliable(random, manyPeers(random, 200, 150)), internetPeer(75, MB)],
  },
  {
    name: '200 peers, two readers',
    rttMs: 150,
    readers: 2,
    peers: random => manyPeers(random, 200, 150),
  },
]

/** What the one fast peer of a comparison sends at most, in bytes/s. */
const MOST_REFERENCE = 10 * MB
const DEFAULT_BYTES = 256 * MIB
/** Bytes read on after each seek. */
const AFTER_SEEK = 8 * MIB
const SEEKS = 5
/** Virtual ms after which a run is given up. */
const GIVE_UP_MS = 1000_000

/** Plays one scenario, and the same reading from one fast peer. */
export function play(scenario: Scenario, seed: number): Figures {
  const random = randomFrom(seed)
  const peers = scenario.peers(random)
  const rate = Math.min(totalRate(peers), scenario.most ?? MOST_REFERENCE, scenario.lineRate ?? Infinity)
  const one = { ...internetPeer(scenario.rttMs / 2, rate), varies: 0, requestQueue: 2000 }
  const reference = new Run(scenario, seed, [one])
  reference.readThrough()
  const run = new Run(scenario, seed, peers)
  run.readThrough()
  const duplicates = run.wastedShare
  const { stalls, longest } = run
  const seeksMs = run.seek()
  const piece = scenario.pieceLength ?? MIB
  const least = Math.max(piece, scenario.size ?? MIB)
  return {
    rate: run.rate,
    reference: reference.rate,
    duplicates,
    wasted: run.wastedShare,
    stalls,
    longestMs: longest,
    firstMs: run.firstMs,
    firstFloorMs: floorMs(peers, least, true),
    seeksMs,
    seekFloorMs: floorMs(peers, least, false),
    requests: run.swarm.requests,
  }
}

class Run {
  readonly swarm: SimulatedSwarm
  readonly #scenario: Scenario
  readonly #readers: readonly SimulatedReader[]
  readonly #bytes: number
  readonly #size: number
  firstMs = 0
  /** Bytes/s of the reading. */
  rate = 0

  constructor(scenario: Scenario, seed: number, peers: readonly PeerTraits[]) {
    const { bytes = DEFAULT_BYTES, size = MIB, pieceLength = MIB, readers = 1, pace, lineRate } = scenario
    this.#scenario = scenario
    this.#bytes = bytes
    this.#size = size
    this.swarm = new SimulatedSwarm({
      seed,
      pieceCount: (2 * bytes) / pieceLength,
      pieceLength,
      peers,
      ...(lineRate === undefined ? {} : { lineRate }),
    })
    const options = { size, ...(pace === undefined ? {} : { pace }) }
    this.#readers = Array.from({ length: readers }, (_, i) => new SimulatedReader(this.swarm, i + 1, options))
  }

  get wastedShare(): number {
    const { useful, wasted } = this.swarm.core.payload
    return wasted / useful
  }

  get stalls(): number {
    return this.#readers.reduce((sum, reader) => sum + reader.stalls, 0)
  }

  get longest(): number {
    return Math.max(...this.#readers.map(reader => reader.longest))
  }

  /** Each reader reads its part of the first half of the file. */
  readThrough(): void {
    const part = this.#bytes / this.#readers.length
    let first = 0
    let reading = 0
    this.#readers.forEach((reader, i) => {
      reading++
      first++
      reader.read(i * part, i * part + this.#size, () => {
        if (--first === 0) this.firstMs = this.swarm.now
        reader.forgetWaits()
        reader.read(i * part + this.#size, (i + 1) * part, () => reading--)
      })
    })
    this.#until(() => reading === 0, 'reading')
    this.rate = (this.#bytes * 1000) / this.swarm.now
  }

  /** Jumps about in the second half; returns what each jump took until its first bytes, in ms. */
  seek(): number[] {
    const reader = this.#readers[0]!
    const took: number[] = []
    const random = randomFrom(SEEKS)
    for (let i = 0; i < SEEKS; i++) {
      const pieceLength = this.#scenario.pieceLength ?? MIB
      const pieces = Math.floor((this.#bytes - AFTER_SEEK - this.#size) / SEEKS / pieceLength)
      const at = this.#bytes + (i * pieces + Math.floor((random() * pieces) / 2)) * pieceLength
      const began = this.swarm.now
      let done = false
      reader.read(at, at + this.#size, () => (done = true))
      this.#until(() => done, 'a seek')
      took.push(this.swarm.now - began)
      done = false
      reader.read(at + this.#size, at + this.#size + AFTER_SEEK, () => (done = true))
      this.#until(() => done, 'reading after a seek')
    }
    return took
  }

  #until(done: () => boolean, what: string): void {
    if (!this.swarm.run(GIVE_UP_MS, done)) throw new Error(`${this.#scenario.name}: ${what} never ended`)
  }
}

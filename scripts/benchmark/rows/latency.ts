/**
 * Rows `first-byte` and `random`: how long one cold read takes, against the time the wire needs for one piece.
 * That time is taken by piece-timer.ts from the same seeder, right before, with the same rests.
 */
import { createHash } from 'node:crypto'
import type { Bench, Group } from '../bench.js'
import { MIB, type Content } from '../content.js'
import { Mounted, type Kind } from '../mounts.js'
import { pause, until } from '../processes.js'
import { readAt, timePieces } from '../reading.js'
import type { Measured } from '../report.js'
import { coldOffsets, median, percentile } from '../statistics.js'

/** ms between the reads of first-byte: what went before has settled. */
const REST = 60

/** Mounts, and reads the first byte so that the swarm is connected; waits until its readahead has ended. */
async function mountConnected(bench: Bench, content: Content, kind: Kind, profile: string): Promise<Mounted> {
  const { seeder } = bench
  if (seeder === undefined) throw new Error('no seeder')
  const mounted = await Mounted.start({
    kind,
    contents: [content],
    peer: seeder.address,
    ...(bench.profile && kind === 'ours' ? { profile } : {}),
  })
  await readAt({ path: mounted.path(content), offsets: [0], length: 1 })
  await settled(bench)
  return mounted
}

/** Resolves with the seeder's payload counter once it stands still. */
async function settled(bench: Bench): Promise<number> {
  const { seeder } = bench
  if (seeder === undefined) throw new Error('no seeder')
  let last = -1
  await until('payload to stop', 15_000, async () => {
    const now = await seeder.payload()
    const still = now === last
    last = now
    if (!still) await pause(400)
    return still
  })
  return last
}

export const firstByte: Group = {
  rows: ['first-byte'],
  async measure(bench) {
    const ours: number[] = []
    const wire: number[] = []
    const trips: number[] = []
    if (bench.seeder !== undefined) {
      const content = await bench.random()
      for (let i = 0; i < bench.runs; i++) {
        const spread = {
          fileLength: content.length,
          pieceLength: content.pieceLength,
          count: 30,
          seed: 100 + i,
        }
        const { offsets } = coldOffsets({ ...spread, length: 1 })
        const pieces = offsets.map(offset => Math.floor(offset / content.pieceLength))
        const times = await timePieces({ ...content, peer: bench.seeder.address, pieces, rest: REST })
        wire.push(median(times.pieces))
        trips.push(median(times.roundTrips))
        bench.say(`  one piece ${median(times.pieces).toFixed(2)} ms`)
        if (!Mounted.available('ours')) continue
        const mounted = await mountConnected(bench, content, 'ours', 'first-byte')
        try {
          const reads = await readAt({
            path: mounted.path(content),
            offsets,
            length: 1,
            reopen: true,
            rest: REST,
          })
          ours.push(median(reads))
          wire.push(median(times.pieces))
          trips.push(median(times.roundTrips))
          bench.say(
            `  first byte ${median(reads).toFixed(2)} ms, one piece ${median(times.pieces).toFixed(2)} ms`,
          )
        } finally {
          await mounted.stop()
        }
      }
    }
    const [first, piece, trip] = [median(ours), median(wire), median(trips)]
    const absent = ours.length === 0
    return [
      {
        row: 'first-byte',
        what: 'first byte at a random offset',
        against: "one piece's transfer",
        unit: 'ms',
        ours: absent ? undefined : first,
        peer: wire.length === 0 ? undefined : piece,
        oursRuns: ours,
        peerRuns: wire,
        // The product's mark allows two round trips on top; they are far below a piece here, so both marks can be
        // judged by one ratio with the round trips taken off.
        ...(absent ? {} : { ratio: (first - 2 * trip) / piece }),
        mark: {
          of: 'ratio',
          sense: 'atMost',
          first: 4,
          product: 1.2,
          text: { first: '<= 4x', product: '<= 1.2x + 2 RTT' },
        },
        ...(absent
          ? {}
          : { note: `a round trip takes ${trip.toFixed(2)} ms; the ratio is without two of them` }),
      },
    ]
  },
}

/** ms SHA-1 takes for 1 MiB: what no client can do without between a piece's last byte and the first answer. */
function hashTime(): number {
  const piece = Buffer.alloc(MIB, 1)
  const times = Array.from({ length: 50 }, () => {
    const began = performance.now()
    createHash('sha1').update(piece).digest()
    return performance.now() - began
  })
  return median(times)
}

/** ms of rest between the pieces the wire is timed with: about the pace of a reader. */
const PACE = 2

const COUNT = 200
const LENGTH = 64 * 1024

async function randomReads(bench: Bench, content: Content, kind: Kind, seed: number, count: number) {
  const { offsets, pieces } = coldOffsets({
    count,
    length: LENGTH,
    fileLength: content.length,
    pieceLength: content.pieceLength,
    seed,
  })
  const mounted = await mountConnected(bench, content, kind, 'random')
  try {
    const before = await settled(bench)
    const reads = await readAt({ path: mounted.path(content), offsets, length: LENGTH })
    const payload = (await settled(bench)) - before
    return {
      p50: median(reads),
      p99: percentile(reads, 0.99),
      payload: payload / (pieces * content.pieceLength),
    }
  } finally {
    await mounted.stop()
  }
}

type RandomReads = Awaited<ReturnType<typeof randomReads>>

export const random: Group = {
  rows: ['random'],
  async measure(bench) {
    const ours: RandomReads[] = []
    const theirs: RandomReads[] = []
    const wire: { p50: number; p99: number }[] = []
    if (bench.seeder !== undefined) {
      const content = await bench.random()
      for (let i = 0; i < bench.runs; i++) {
        const numbers = coldOffsets({
          count: COUNT,
          length: LENGTH,
          fileLength: content.length,
          pieceLength: content.pieceLength,
          seed: 200 + i,
        }).offsets.map(offset => Math.floor(offset / content.pieceLength))
        const times = await timePieces({
          ...content,
          peer: bench.seeder.address,
          pieces: numbers,
          rest: PACE,
        })
        wire.push({ p50: median(times.pieces), p99: percentile(times.pieces, 0.99) })
        bench.say(`  one piece ${median(times.pieces).toFixed(2)} ms`)
        if (!Mounted.available('ours')) continue
        const reads = await randomReads(bench, content, 'ours', 200 + i, COUNT)
        ours.push(reads)
        bench.say(
          `  64 KiB p50 ${reads.p50.toFixed(2)} ms, p99 ${reads.p99.toFixed(2)} ms, payload ${reads.payload.toFixed(3)}x`,
        )
      }
      for (let i = 0; i < bench.runs && Mounted.available('go'); i++) {
        try {
          const reads = await randomReads(bench, content, 'go', 200 + i, 50)
          theirs.push(reads)
          bench.say(`  the Go torrentfs: p50 ${reads.p50.toFixed(1)} ms, p99 ${reads.p99.toFixed(1)} ms`)
        } catch (error) {
          bench.say(`  the Go torrentfs FAILED: ${String(error)}`)
        }
      }
    }
    const of = (from: readonly { p50: number; p99: number }[], key: 'p50' | 'p99'): number[] =>
      from.map(each => each[key])
    const one = (values: readonly number[]): number | undefined =>
      values.length === 0 ? undefined : median(values)
    const payloads = ours.map(each => each.payload)
    const shared = { row: 'random', unit: 'ms' }
    const rows: Measured[] = [
      {
        ...shared,
        what: '200 random 64 KiB reads, p50',
        against: "one piece's transfer, p50",
        ours: one(of(ours, 'p50')),
        peer: one(of(wire, 'p50')),
        oursRuns: of(ours, 'p50'),
        peerRuns: of(wire, 'p50'),
        mark: { of: 'ratio', sense: 'atMost', first: 3, product: 1.2 },
        note: `hashing the piece alone takes ${hashTime().toFixed(2)} ms here`,
      },
      {
        ...shared,
        what: '200 random 64 KiB reads, p99',
        against: "one piece's transfer, p99",
        ours: one(of(ours, 'p99')),
        peer: one(of(wire, 'p99')),
        oursRuns: of(ours, 'p99'),
        peerRuns: of(wire, 'p99'),
      },
      {
        row: 'random',
        what: 'payload of the 200 reads',
        against: 'bytes of the pieces touched',
        unit: 'x',
        ours: one(payloads),
        peer: null,
        oursRuns: payloads,
        mark: { of: 'ours', sense: 'atMost', first: 1.1, product: 1.05 },
      },
      {
        ...shared,
        what: 'random 64 KiB reads, p50',
        against: 'the Go torrentfs',
        ours: one(of(ours, 'p50')),
        peer: one(of(theirs, 'p50')),
        oursRuns: of(ours, 'p50'),
        peerRuns: of(theirs, 'p50'),
        note: 'the peer did 50 of them',
      },
    ]
    return rows
  },
}

/**
 * The fuzz of every decoder, for long: spoilt inputs of one seed, shared out evenly.
 *
 *   npm run fuzz -- [--inputs N] [--seed S] [--input I] [DECODER...]
 *
 * N inputs over all decoders (10 million). A failure names decoder, seed and input: `--seed S --input I DECODER` repeats it.
 * Runs in a thread, so that an input that is never done with is named too.
 */
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { parseArgs } from 'node:util'
import { fuzz } from '../../test/support/fuzz.js'
import { TARGETS } from '../../test/torrent/fuzz/targets.js'

interface Job {
  readonly inputs: number
  readonly seed: number
  /** The only input to try; -1 for all. */
  readonly input: number
  readonly names: readonly string[]
  /** The decoder and the input that are being tried. */
  readonly place: Int32Array
}

/** An input that takes longer than this is taken to hang, in ms. */
const HANGS_MS = 60_000
/** A decoder that plays a whole conversation gets a smaller share. */
const WEIGHTS = new Map([['peer', 0.2]])

function run(job: Job): void {
  const targets = TARGETS.filter(({ name }) => job.names.length === 0 || job.names.includes(name))
  const weight = (name: string): number => WEIGHTS.get(name) ?? 1
  const weights = targets.reduce((sum, { name }) => sum + weight(name), 0)
  let total = 0
  for (const target of targets) {
    job.place[0] = TARGETS.indexOf(target)
    const count = job.input >= 0 ? 1 : Math.ceil((job.inputs * weight(target.name)) / weights)
    const began = performance.now()
    const { taken, refused } = fuzz(target, {
      seed: job.seed,
      from: Math.max(0, job.input),
      count,
      progress: index => (job.place[1] = index),
    })
    total += count
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    console.log(`${target.name.padEnd(22)} ${taken} taken, ${refused} refused, ${seconds} s`)
  }
  const megabytes = (process.memoryUsage().rss / 1e6).toFixed(0)
  console.log(`${total} inputs, seed ${job.seed}, no failure; ${megabytes} MB in the end`)
}

function watch(worker: Worker, { place, seed }: Job): void {
  let last = ''
  const timer = setInterval(() => {
    const at = place.join()
    if (at === last) {
      console.error(
        `${TARGETS[place[0]!]!.name}, seed ${seed}: one of the 64 inputs from ${place[1]} on hangs`,
      )
      process.exit(1)
    }
    last = at
  }, HANGS_MS)
  worker.on('error', error => {
    console.error(error)
    process.exitCode = 1
  })
  worker.on('exit', () => clearInterval(timer))
}

if (isMainThread) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      inputs: { type: 'string', default: '10000000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
      input: { type: 'string', default: '-1' },
    },
  })
  const unknown = positionals.filter(name => !TARGETS.some(target => target.name === name))
  if (unknown.length > 0) {
    console.error(
      `no decoder ${unknown.join(', ')}; there are: ${TARGETS.map(({ name }) => name).join(', ')}`,
    )
    process.exit(2)
  }
  const job: Job = {
    inputs: Number(values.inputs),
    seed: Number(values.seed),
    input: Number(values.input),
    names: positionals,
    place: new Int32Array(new SharedArrayBuffer(8)),
  }
  console.log(`seed ${job.seed}`)
  const worker = new Worker(new URL(import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  })
  watch(worker, job)
} else run(workerData as Job)

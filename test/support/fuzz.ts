/**
 * Throws spoilt inputs at a decoder and holds it to its word: it takes them, or throws its documented errors, and neither
 * time nor memory grows with what an input merely states.
 *
 * Owns the run. Input i of a seed is always the same, so a failure names all that repeats it.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { TorrentError, type TorrentErrorCode } from '../../src/torrent/errors.js'
import { Chance, mixedSeed, spoiltInput, type Grammar } from './mutations.js'

/** A decoder under fire. */
export interface Target {
  readonly name: string
  readonly grammar: Grammar
  /** Valid inputs, of as many kinds as there are. */
  readonly samples: readonly Uint8Array[]
  /** What it may throw; nothing by default. */
  readonly codes?: readonly TorrentErrorCode[]
  /**
   * Takes one input, and asserts what must hold of the outcome. Returns whether it was taken for valid.
   *
   * @param chance - For cuts and other choices.
   */
  take(input: Buffer, chance: Chance): boolean
}

export interface FuzzOptions {
  readonly seed: number
  /** The first input. */
  readonly from?: number
  readonly count: number
  /** Bytes beyond those at the start that may be in use, garbage counted; 512 MiB by default. */
  readonly mostUsed?: number
  /** Called now and then with the number of the input that comes next. */
  readonly progress?: (index: number) => void
}

/** How many inputs were taken for valid, and how many not. */
export interface FuzzResult {
  readonly taken: number
  readonly refused: number
}

/** One input may take this long, in ms, even on a busy machine that collects garbage meanwhile. */
const MOST_MS = 10_000
/** Bytes of memory beyond those at the start that may be in use, garbage not counted. */
const MOST_KEPT = 64 * 1024 * 1024
/** The same with garbage: more within few inputs was allocated because an input said so. */
const MOST_USED = 512 * 1024 * 1024
/** Inputs between two looks at the memory. */
const LOOK_EVERY = 64

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** A number for a decoder's name, so that each gets inputs of its own. */
function numberOf(name: string): number {
  return mixedSeed(...Buffer.from(name))
}

/** One input again, for looking at it. */
export function inputOf(target: Target, seed: number, index: number): { input: Buffer; chance: Chance } {
  const chance = new Chance(mixedSeed(seed, numberOf(target.name), index))
  return { input: spoiltInput(target.samples, target.grammar, chance), chance }
}

/** @throws Error naming decoder, seed and input when one is not handled as it must be */
export function fuzz(target: Target, options: FuzzOptions): FuzzResult {
  const { seed, from = 0, count, mostUsed = MOST_USED } = options
  // Millions of errors are made, and their stacks would cost more than all decoders.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  collect()
  const atStart = memoryInUse()
  let taken = 0
  try {
    for (let index = from; index < from + count; index++) {
      if (handles(target, seed, index)) taken++
      if (index % LOOK_EVERY > 0) continue
      attempt(target, seed, index, () => checkMemory(atStart, mostUsed))
      options.progress?.(index)
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
  return { taken, refused: count - taken }
}

/** Throws one input at the decoder; returns whether it took it for valid. */
function handles(target: Target, seed: number, index: number): boolean {
  return attempt(target, seed, index, () => {
    const { input, chance } = inputOf(target, seed, index)
    const began = performance.now()
    const taken = isTaken(target, input, chance)
    const took = performance.now() - began
    if (took > MOST_MS) throw new Error(`it took ${took.toFixed(0)} ms`)
    return taken
  })
}

function attempt<T>(target: Target, seed: number, index: number, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const { input } = inputOf(target, seed, index)
    const where = `${target.name}, seed ${seed}, input ${index} (${input.length} bytes)`
    throw new Error(`${where}: ${input.toString('hex').slice(0, 2000)}`, { cause })
  }
}

function isTaken(target: Target, input: Buffer, chance: Chance): boolean {
  try {
    return target.take(input, chance)
  } catch (error) {
    if (error instanceof TorrentError && target.codes?.includes(error.code) === true) return false
    throw error
  }
}

function memoryInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function checkMemory(atStart: number, mostUsed: number): void {
  const used = memoryInUse() - atStart
  if (used > mostUsed) throw new Error(`${used} bytes were allocated by at most ${LOOK_EVERY} inputs`)
  if (used <= MOST_KEPT) return
  collect()
  const kept = memoryInUse() - atStart
  if (kept > MOST_KEPT) throw new Error(`${kept} bytes are kept`)
}

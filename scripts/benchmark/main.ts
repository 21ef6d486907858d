/**
 * The bench: `npm run bench -- [--runs N] [--profile] [--congestion NAME] [ROW...]`. Measures each row beside its peer in this run,
 * on this machine, from one seeder; prints a table and writes JSON to bench-results. Figures of what is not
 * installed are `absent`.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench, Group } from './bench.js'
import { GIB, randomContent, type Content } from './content.js'
import { fillPageCache } from './memory.js'
import { makeNetwork } from './network.js'
import { CACHE, CHECKOUT, PYTHON, RESULTS, RUN, findProgram, goTorrentfs } from './places.js'
import { onEnd, run } from './processes.js'
import { summarizeProfiles } from './profile.js'
import { judge, table, type Row } from './report.js'
import { blocked } from './rows/blocked.js'
import { bulk } from './rows/bulk.js'
import { commandDownload } from './rows/command-download.js'
import { encrypted } from './rows/encrypted.js'
import { huge } from './rows/huge.js'
import { endurance } from './rows/endurance.js'
import { firstByte, random } from './rows/latency.js'
import { loop } from './rows/loop.js'
import { many } from './rows/many.js'
import { responsive } from './rows/responsive.js'
import { session } from './rows/session.js'
import { stored } from './rows/stored.js'
import { webSeed } from './rows/web-seed.js'
import { utp } from './rows/utp.js'
import { Seeder, haveLibtorrent } from './seeder.js'

const GROUPS: readonly Group[] = [
  session,
  bulk,
  commandDownload,
  utp,
  encrypted,
  huge,
  firstByte,
  random,
  blocked,
  responsive,
  stored,
  many,
  loop,
  webSeed,
  endurance,
]
const NAMES = GROUPS.flatMap(group => group.rows)

/** Free bytes a full run needs: content, one download at a time and what is not yet trimmed. */
const ROOM = 6 * GIB

function usage(problem?: string): never {
  const text = `npm run bench -- [--runs N] [--profile] [--congestion reno|cubic|bbr] [ROW...]\nrows: ${NAMES.join(' ')}`
  process.stderr.write(problem === undefined ? `${text}\n` : `${problem}\n${text}\n`)
  process.exit(problem === undefined ? 0 : 2)
}

function parse(): { rows: Set<string>; runs: number; profile: boolean; congestion: string | undefined } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '3' },
      profile: { type: 'boolean', default: false },
      congestion: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) usage()
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1) usage(`--runs ${values.runs}: a whole number from 1`)
  for (const name of positionals) if (!NAMES.includes(name)) usage(`no row is called ${name}`)
  const { congestion } = values
  if (congestion !== undefined && !/^[a-z]+$/.test(congestion)) usage(`--congestion ${congestion}: no such`)
  const rows = new Set(positionals.length === 0 ? NAMES : positionals)
  return { rows, runs, profile: values.profile, congestion }
}

async function machine(network: string): Promise<Record<string, unknown>> {
  const libtorrent = await run(PYTHON, ['-c', 'import libtorrent; print(libtorrent.version)'])
  let commit = 'unknown'
  try {
    commit = execFileSync('git', ['-C', CHECKOUT, 'rev-parse', '--short', 'HEAD'], { stdio: 'pipe' })
      .toString()
      .trim()
  } catch {
    // a package without its history
  }
  return {
    commit,
    node: process.version,
    kernel: release(),
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memory: totalmem(),
    network,
    libtorrent: libtorrent.code === 0 ? libtorrent.stdout.trim() : 'absent',
    btfs: findProgram('btfs') === undefined ? 'absent' : 'present',
    goTorrentfs: goTorrentfs() === undefined ? 'absent' : 'present',
  }
}

async function main(): Promise<void> {
  const { rows: wanted, runs, profile, congestion } = parse()
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`)
  }
  mkdirSync(RUN, { recursive: true })
  onEnd(() => {
    rmSync(RUN, { recursive: true, force: true })
  })
  const disk = statfsSync(CACHE)
  if (disk.bavail * disk.bsize < ROOM) say(`warning: less than 6 GiB free in ${CACHE}`)
  await fillPageCache(say)
  const network = makeNetwork(congestion)
  const about = await machine(network.describe)
  say(
    `${String(about['cpu'])}, ${String(about['cores'])} cores, kernel ${String(about['kernel'])}, Node ${process.version}`,
  )
  say(
    `seeder: libtorrent ${String(about['libtorrent'])}, TCP, ${network.describe}; medians of ${String(runs)}`,
  )
  const seeder = (await haveLibtorrent()) ? await Seeder.start(network) : undefined
  let content: Content | undefined
  const bench: Bench = {
    network,
    seeder,
    runs,
    wanted,
    profile,
    say,
    async random() {
      content ??= randomContent()
      await seeder?.seed(content)
      return content
    },
  }
  const began = Date.now()
  const rows: Row[] = []
  let failed = false
  for (const group of GROUPS) {
    const names = group.rows.filter(name => wanted.has(name))
    if (names.length === 0) continue
    say(`\n${names.join(', ')}`)
    try {
      rows.push(...(await group.measure(bench)).map(judge))
    } catch (error) {
      failed = true
      say(`  FAILED: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  seeder?.stop()
  process.stdout.write(`\n${table(rows)}\n`)
  if (profile) {
    say('(profiled: these figures are slower than they are without)')
    for (const folder of readdirSync(RESULTS)) {
      if (folder.startsWith('profile-')) say(summarizeProfiles(join(RESULTS, folder), began))
    }
  }
  mkdirSync(RESULTS, { recursive: true })
  const at = new Date()
  const json = `${JSON.stringify({ at, machine: about, runs, profile, rows }, null, 2)}\n`
  const file = join(RESULTS, `bench-${at.toISOString().slice(0, 19).replaceAll(':', '')}.json`)
  for (const name of [file, join(RESULTS, 'latest.json')]) writeFileSync(name, json)
  say(`written to ${file}`)
  process.exit(failed ? 1 : 0)
}

await main()

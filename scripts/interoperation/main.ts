/**
 * `npm run interop -- [--column NAME]... [--verbose] [PROGRAM...]`: tries every program in every way, for real, and prints
 * the matrix. Exit status 1 when a cell failed that the program does not lack.
 */
import { parseArgs } from 'node:util'
import { COLUMNS, type Column, type Program } from './program.js'
import { anacrolix } from './programs/anacrolix.js'
import { aria2 } from './programs/aria2.js'
import { libtorrent } from './programs/libtorrent.js'
import { qbittorrent } from './programs/qbittorrent.js'
import { rtorrent } from './programs/rtorrent.js'
import { transmission } from './programs/transmission.js'
import { webtorrent } from './programs/webtorrent.js'
import { skipWithout } from '../../test/support/project.js'
import { TRIALS } from './columns.js'
import { Trial } from './trial.js'

const PROGRAMS: readonly Program[] = [
  libtorrent,
  transmission,
  aria2,
  anacrolix,
  rtorrent,
  qbittorrent,
  webtorrent,
]
/** Notes below the table, each said once. */
const notes: string[] = []

function usage(problem: string): never {
  const names = PROGRAMS.map(({ name }) => JSON.stringify(name)).join(' ')
  process.stderr.write(
    `${problem}\nnpm run interop -- [--column NAME]... [--verbose] [PROGRAM...]\nprograms: ${names}\ncolumns: ${COLUMNS.map(name => JSON.stringify(name)).join(' ')}\n`,
  )
  process.exit(2)
}

function note(text: string): string {
  const known = notes.indexOf(text)
  return `[${known < 0 ? notes.push(text) : known + 1}]`
}

async function cell(program: Program, column: Column, verbose: boolean): Promise<string> {
  const lack = program.lacks[column]
  if (lack !== undefined) return `peer lacks it ${note(`${program.name}: ${lack}`)}`
  const begin = performance.now()
  try {
    await Trial.run(program, TRIALS[column])
    return `pass, ${((performance.now() - begin) / 1000).toFixed(0)} s`
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    process.exitCode = 1
    process.stderr.write(`${program.name}, ${column}: ${verbose ? text : text.split('\n')[0]}\n`)
    return `FAIL ${note(`${program.name}, ${column}: ${text.split('\n')[0]}`)}`
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    column: { type: 'string', multiple: true, default: [...COLUMNS] },
    verbose: { type: 'boolean', default: false },
  },
})
const columns = values.column.map(
  name => COLUMNS.find(column => column === name) ?? usage(`no column is called ${name}`),
)
const programs =
  positionals.length === 0
    ? PROGRAMS
    : positionals.map(
        name => PROGRAMS.find(program => program.name === name) ?? usage(`no program is called ${name}`),
      )
const skip = skipWithout('daemon', 'fuse', 'namespaces', 'libtorrent', 'opentracker')
if (skip !== false) usage(skip)

const rows: string[][] = []
for (const program of programs) {
  const absent = program.whyNot()
  if (absent !== undefined) {
    process.exitCode = 1
    rows.push([program.name, ...columns.map(() => `absent ${note(absent)}`)])
    continue
  }
  const row = [`${program.name} (${program.version()})`]
  for (const column of columns) {
    row.push(await cell(program, column, values.verbose))
    process.stderr.write(`${program.name}, ${column}: ${row.at(-1)}\n`)
  }
  rows.push(row)
}
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
process.stdout.write(line(['', ...columns]) + line(['---', ...columns.map(() => '---')]))
for (const row of rows) process.stdout.write(line(row))
notes.forEach((text, i) => process.stdout.write(`\n[${i + 1}] ${text}\n`))

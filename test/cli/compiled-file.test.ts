/** How the command starts from what V8 made of it before. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skipWithout } from '../support/project.js'

const MODULE = fileURLToPath(new URL('../../src/cli/compiled-file.cjs', import.meta.url))
/** Waits when it is told to, and tells whether V8 took what it was given. */
const PROGRAM = `
const vm = require('node:vm')
const { Script } = vm
vm.Script = class extends Script {
  constructor(source, options) {
    super(source, options)
    console.log(options.cachedData === undefined ? 'compiled' : this.cachedDataRejected ? 'rejected' : 'kept')
  }
}
const { answer, more } = require(${JSON.stringify(MODULE)}).runCompiled(process.argv[1])
console.log(answer())
if (process.argv[2] !== '0') more()
setTimeout(() => {}, Number(process.argv[2]))
`
const MORE = Array.from({ length: 200 }, (_, i) => `let a${i} = ${i} * Math.random()`).join('; ')
const SOURCE = `(function (exports) { exports.answer = () => 42; exports.more = () => { ${MORE} } })\n`

describe('a compiled file', () => {
  let home: string
  let file: string
  let folder: string

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'torrentfs-compiled-'))
    file = join(home, 'file.cjs')
    folder = join(home, 'torrentfs')
    writeFileSync(file, SOURCE)
  })
  afterEach(() => rmSync(home, { recursive: true, force: true }))

  function run(o: { ms?: number; env?: Record<string, string | undefined> } = {}): string[] {
    const env = { ...process.env, NODE_V8_COVERAGE: undefined, XDG_CACHE_HOME: home, ...o.env }
    const args = ['--eval', PROGRAM, file, String(o.ms ?? 0)]
    return execFileSync(process.execPath, args, { env, encoding: 'utf8', timeout: 20_000 }).trim().split('\n')
  }

  const kept = (): string => join(folder, readdirSync(folder)[0]!)

  it('is compiled once', () => {
    assert.deepEqual(run(), ['compiled', '42'])
    assert.deepEqual(run(), ['kept', '42'])
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.equal(statSync(kept()).mode & 0o777, 0o600)
  })

  it('is compiled anew when it changes, be it as long as before', () => {
    run()
    writeFileSync(file, SOURCE.replace('42', '43'))
    assert.deepEqual(run(), ['compiled', '43'])
  })

  it('is kept once more after a long run that compiled more of it', () => {
    run()
    const brief = statSync(kept())
    assert.deepEqual(run({ ms: 1000 }), ['kept', '42'])
    const full = statSync(kept())
    assert.ok(full.size > 1.5 * brief.size, `${brief.size} bytes, then ${full.size}`)
    assert.deepEqual(run({ ms: 1000 }), ['kept', '42'])
    assert.deepEqual(run(), ['kept', '42'])
    assert.equal(statSync(kept()).mtimeMs, full.mtimeMs)
    assert.equal(readdirSync(folder).length, 1)
  })

  it('is compiled anew when what was kept is spoilt, and that is replaced', () => {
    run()
    for (const spoilt of [Buffer.alloc(0), Buffer.alloc(5000, 7)]) {
      writeFileSync(kept(), spoilt)
      assert.deepEqual(run(), ['rejected', '42'])
      assert.deepEqual(run(), ['kept', '42'])
    }
  })

  it('is not run from what somebody else may have written', () => {
    run()
    chmodSync(kept(), 0o620)
    assert.deepEqual(run(), ['compiled', '42'])
    assert.equal(statSync(kept()).mode & 0o777, 0o600, 'it is replaced')
    const path = kept()
    rmSync(path)
    symlinkSync(file, path)
    assert.deepEqual(run(), ['compiled', '42'])
    assert.deepEqual(run(), ['kept', '42'])
  })

  it('is not run from a file of somebody else', { skip: skipWithout('root') }, () => {
    run()
    assert.deepEqual(run(), ['kept', '42'])
    chownSync(kept(), 65_534, 65_534)
    assert.deepEqual(run(), ['compiled', '42'])
  })

  it('runs where nothing can be kept', () => {
    writeFileSync(folder, 'in the way')
    assert.deepEqual(run(), ['compiled', '42'])
    assert.deepEqual(readdirSync(home).sort(), ['file.cjs', 'torrentfs'])
  })

  it('keeps nothing while coverage is measured, nor below a relative folder', () => {
    run({ env: { NODE_V8_COVERAGE: join(home, 'coverage') } })
    assert.equal(existsSync(folder), false)
    run({ env: { XDG_CACHE_HOME: 'relative', HOME: home } })
    assert.equal(existsSync(join(home, '.cache', 'torrentfs')), true)
  })

  it('leaves no more than eight files', () => {
    mkdirSync(folder)
    for (let i = 0; i < 12; i++) {
      writeFileSync(join(folder, `old-${i}`), '')
      utimesSync(join(folder, `old-${i}`), i, i)
    }
    run()
    const names = readdirSync(folder).sort()
    assert.equal(names.length, 8)
    assert.deepEqual(
      names.filter(name => name.startsWith('old-')),
      ['old-10', 'old-11', 'old-5', 'old-6', 'old-7', 'old-8', 'old-9'],
    )
  })
})

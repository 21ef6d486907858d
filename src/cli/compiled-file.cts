/**
 * Runs a file of the bundle from what V8 made of it before: to compile it anew takes as long as all else that a command does before it
 * reaches for the network.
 *
 * Owns the files in the user's cache folder. Nothing depends on them: what is missing, spoilt or somebody else's is made anew, and
 * where nothing can be written nothing is.
 */
import crypto = require('node:crypto')
import fs = require('node:fs')
import nodeModule = require('node:module')
import os = require('node:os')
import path = require('node:path')
import vm = require('node:vm')

/** Longer ones are none of ours. Bytes. */
const LONGEST = 64 * 1024 * 1024
/** Each build and each version of Node has files of its own; older ones are of no use any more. */
const MOST_FILES = 8
/** A run of this many seconds may have compiled more than was kept: it can spare the time to look. */
const LONG_RUN = 1
/** By how much it must be more to be kept instead. */
const WORTHWHILE = 1.1

/**
 * Runs a CommonJS file that is one function expression, of `exports`, `require`, `module` and `__filename`. It must not `import()`:
 * V8 forgets whom to ask for modules.
 *
 * @returns its exports @throws what it throws
 */
function runCompiled(file: string): unknown {
  const source = fs.readFileSync(file, 'utf8')
  const folder = cacheFolder()
  const cache = folder === undefined ? undefined : new CodeCache(folder, source)
  const kept = cache?.read()
  const script = new vm.Script(source, {
    filename: file,
    ...(kept === undefined ? {} : { cachedData: kept }),
  })
  const used = script.cachedDataRejected === false ? kept : undefined
  process.on('exit', () => {
    if (cache === undefined || (used !== undefined && process.uptime() < LONG_RUN)) return
    const code = script.createCachedData()
    if (used === undefined || code.length > WORTHWHILE * used.length) cache.write(code)
  })
  const module = { exports: {} }
  const run = script.runInThisContext() as (...args: unknown[]) => void
  run(module.exports, nodeModule.createRequire(file), module, file)
  return module.exports
}

/** Undefined where nothing is to be kept. Never throws. */
function cacheFolder(): string | undefined {
  // Code that was compiled before counts no blocks.
  if (process.env['NODE_V8_COVERAGE'] !== undefined) return undefined
  const base = process.env['XDG_CACHE_HOME'] ?? ''
  // A relative one is to be ignored, by the XDG Base Directory Specification.
  if (path.isAbsolute(base)) return path.join(base, 'torrentfs')
  try {
    return path.join(os.homedir(), '.cache', 'torrentfs')
  } catch {
    return undefined
  }
}

/** What V8 made of one source, on disk. */
class CodeCache {
  readonly #folder: string
  readonly #path: string

  constructor(folder: string, source: string) {
    // V8 looks at the length of a source only.
    const { v8 } = process.versions
    const name = crypto.createHash('sha256').update(`${v8} ${process.arch} ${source}`).digest('hex')
    this.#folder = folder
    this.#path = path.join(folder, `${name.slice(0, 32)}.code`)
  }

  /** Never throws. */
  read(): Buffer | undefined {
    return readOwn(this.#path)
  }

  /** Replaces what is there, at once and whole. Never throws. */
  write(code: Buffer): void {
    try {
      fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      const temporary = `${this.#path}.${process.pid}`
      try {
        fs.writeFileSync(temporary, code, { flag: 'wx', mode: 0o600 })
        fs.renameSync(temporary, this.#path)
      } finally {
        fs.rmSync(temporary, { force: true })
      }
      this.#tidy()
    } catch {
      // Then it is compiled again.
    }
  }

  #tidy(): void {
    const files = fs.readdirSync(this.#folder).map(name => path.join(this.#folder, name))
    const ages = files.map(file => ({ file, at: fs.statSync(file).mtimeMs })).sort((a, b) => b.at - a.at)
    for (const { file } of ages.slice(MOST_FILES)) fs.rmSync(file, { force: true })
  }
}

/** The bytes of a file that nobody but this user can have written: they are run. Never throws. */
function readOwn(file: string): Buffer | undefined {
  let fd: number | undefined
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
    const { uid, mode, size } = fs.fstatSync(fd)
    const isOwn = process.geteuid === undefined || uid === process.geteuid()
    if ((mode & fs.constants.S_IFMT) !== fs.constants.S_IFREG || !isOwn || (mode & 0o022) !== 0)
      return undefined
    return size > LONGEST ? undefined : fs.readFileSync(fd)
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

export = { runCompiled }

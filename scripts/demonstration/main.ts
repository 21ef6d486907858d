/**
 * The demo: makes content and a torrent of it, seeds it from another process, mounts it with the daemon and reads
 * it like any folder. Needs no network. Everything it made is gone when it ends, also after Ctrl-C.
 */
import { spawnSync } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isMounted } from '../benchmark/mounts.js'
import { COMPILED, DAEMON, LIBRARY } from '../benchmark/places.js'
import { exited, must, onEnd, pause, run, start, until } from '../benchmark/processes.js'
import { Seeder, haveLibtorrent } from '../benchmark/seeder.js'
import { randomFrom } from '../benchmark/statistics.js'
import { ProgressBar, bytes, check, command, step, tell } from './narrator.js'

const MIB = 1024 * 1024
const FILM = 'film.bin'
const FILM_LENGTH = 256 * MIB
const SEEKS = 12
const SEEK_LENGTH = 64 * 1024

/** Paths in the folder and their contents. */
function makeContent(folder: string): Map<string, Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16))
  const files = new Map<string, Buffer>([
    [FILM, cipher.update(Buffer.alloc(FILM_LENGTH))],
    ['notes/read me.txt', Buffer.from('Every byte you read here was hash-checked before you got it.\n')],
    ['notes/ünïcödé 名前.txt', Buffer.from('Names are those of the torrent.\n')],
    ['notes/empty', Buffer.alloc(0)],
  ])
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return files
}

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex')

/** Reads a file of the mount through `cat`, which can be ended whatever happens; hashes what comes. */
async function digestThrough(
  path: string,
  bar: ProgressBar | undefined,
): Promise<{ digest: string; time: number }> {
  const began = performance.now()
  const cat = start('cat', ['--', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (cat.stdout === null) throw new Error('cat has no output')
  const hash = createHash('sha256')
  let done = 0
  for await (const part of cat.stdout as AsyncIterable<Buffer>) {
    hash.update(part)
    done += part.length
    bar?.update(done)
  }
  if (!(await exited(cat, 5000)) || cat.exitCode !== 0) throw new Error(`cat ${path} failed`)
  return { digest: hash.digest('hex'), time: (performance.now() - began) / 1000 }
}

async function startSeeder(content: string): Promise<{ seeder: Seeder; who: string }> {
  const here = { prefix: [], host: '127.0.0.1', describe: 'loopback' }
  if (await haveLibtorrent()) return { seeder: await Seeder.start(here), who: 'libtorrent' }
  const program = join(COMPILED, 'scripts', 'demonstration', 'own-seeder.js')
  const args = [process.execPath, program, here.host, '0', content, LIBRARY]
  return { seeder: await Seeder.startProgram(here, args), who: 'our own library (no libtorrent here)' }
}

async function demo(): Promise<void> {
  for (const [path, what] of [
    ['/dev/fuse', 'FUSE is not available on this machine (no /dev/fuse)'],
    [DAEMON, 'the daemon is not built'],
  ] as const) {
    if (!existsSync(path)) throw new Error(what)
  }
  const work = mkdtempSync(join(tmpdir(), 'torrentfs-demo-'))
  onEnd(() => {
    rmSync(work, { recursive: true, force: true })
  })
  const [source, metainfoDir, downloadDir, mountDir] = ['source', 'torrents', 'downloads', 'mnt'].map(
    name => {
      mkdirSync(join(work, name))
      return join(work, name)
    },
  ) as [string, string, string, string]
  const name = 'Demo'

  step('Some content, and a torrent of it')
  const files = makeContent(join(source, name))
  const { createTorrent, parseMetainfo } = (await import(
    pathToFileURL(LIBRARY).href
  )) as typeof import('../../src/torrent/index.js')
  const metainfo = await createTorrent(join(source, name), { pieceLength: 256 * 1024 })
  const { info } = parseMetainfo(metainfo)
  const torrent = join(work, `${name}.torrent`)
  writeFileSync(torrent, metainfo)
  tell(
    `${String(files.size)} files, ${bytes(info.length)}, in ${String(info.geometry.pieceCount)} pieces of ${bytes(info.pieceLength)}`,
  )
  tell(`infohash ${info.infohash}`)

  step('A seeder in another process')
  const { seeder, who } = await startSeeder(source)
  await seeder.seed({ name, folder: source, path: join(source, name), torrent, infohash: info.infohash })
  tell(`${who} at ${seeder.address}`)
  const fetched = (): Promise<number> => seeder.payload()

  step('Mount')
  writeFileSync(join(metainfoDir, `${name}.torrent`), metainfo)
  const flags = [
    `-mountDir=${mountDir}`,
    `-metainfoDir=${metainfoDir}`,
    `-downloadDir=${downloadDir}`,
    `-testPeer=${seeder.address}`,
    '-disableTrackers',
    '-disableDht',
  ]
  command(`torrentfs ${flags.join(' \\\n    ')}`)
  const log = join(work, 'torrentfs.log')
  const daemon = start(process.execPath, [DAEMON, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream?.on('data', (text: Buffer) => {
      said += text.toString()
      writeFileSync(log, said)
    })
  }
  const lift = onEnd(() => {
    // The daemon may be gone: its mount is then lifted without it, and before the folders are removed.
    if (isMounted(mountDir)) spawnSync('fusermount3', ['-uz', '--', mountDir])
  })
  try {
    await until('the mount', 20_000, async () => {
      if (daemon.exitCode !== null) throw new Error('the daemon ended')
      return (
        isMounted(mountDir) && (await run('ls', ['--', mountDir], { timeout: 3000 })).stdout.includes(name)
      )
    })
    const began = await fetched()
    for (const shown of [
      ['ls', '-l', '--', join(mountDir, name), join(mountDir, name, 'notes')],
      ['df', '-h', '--', mountDir],
    ]) {
      command(shown.join(' ').replaceAll(`${work}/`, ''))
      tell((await must(shown[0] as string, ...shown.slice(1))).trimEnd().replaceAll(`${work}/`, ''))
    }
    check((await fetched()) === began, 'looking around has fetched nothing')

    step(`Seek: ${String(SEEKS)} reads of ${bytes(SEEK_LENGTH)} at random places of ${FILM}`)
    const film = files.get(FILM) as Buffer
    const path = join(mountDir, name, FILM)
    const random = randomFrom(2026)
    let slowest = 0
    for (let i = 0; i < SEEKS; i++) {
      const block = Math.floor((random() * FILM_LENGTH) / SEEK_LENGTH)
      const at = performance.now()
      const out = join(work, 'part')
      await must(
        'dd',
        `if=${path}`,
        `of=${out}`,
        `bs=${String(SEEK_LENGTH)}`,
        `skip=${String(block)}`,
        'count=1',
        'status=none',
      )
      slowest = Math.max(slowest, performance.now() - at)
      const expected = film.subarray(block * SEEK_LENGTH, (block + 1) * SEEK_LENGTH)
      if (!readFileSync(out).equals(expected))
        throw new Error(`WRONG bytes at ${String(block * SEEK_LENGTH)}`)
    }
    check(true, `every one of them right; the slowest took ${slowest.toFixed(0)} ms, process and all`)
    await pause(300)
    const afterSeeks = await fetched()
    tell(
      `read ${bytes(SEEKS * SEEK_LENGTH)}, fetched ${bytes(afterSeeks - began)} of ${bytes(info.length)}: only the pieces those bytes are in,`,
    )
    tell('for a piece is the least that can be hash-checked')

    step('Read everything, and compare')
    for (const [file, content] of files) {
      const bar = content.length > MIB ? new ProgressBar(file, content.length) : undefined
      const { digest, time } = await digestThrough(join(mountDir, name, file), bar)
      const speed = bar === undefined ? '' : `, ${bytes(content.length / time)}/s`
      check(digest === sha256(content), `sha256 ${digest.slice(0, 16)}...  ${file}${speed}`)
    }
    const afterAll = await fetched()
    tell(`read ${bytes(info.length + SEEKS * SEEK_LENGTH)}, fetched ${bytes(afterAll - began)}`)
    check(
      afterAll - began < info.length + (afterSeeks - began) / 2,
      'what the seeks had fetched was not fetched again',
    )

    step('Read it again: from disk now')
    const again = await digestThrough(path, new ProgressBar(FILM, FILM_LENGTH))
    check(again.digest === sha256(film), 'the same bytes')
    check((await fetched()) === afterAll, 'nothing was fetched')
    command('du -sh downloads')
    tell((await must('du', '-sh', '--', downloadDir)).trimEnd().replaceAll(`${work}/`, ''))

    step('Unmount')
    command('fusermount3 -u mnt')
    await must('fusermount3', '-u', '--', mountDir)
    check(await exited(daemon, 5000), `the daemon has ended by itself, with ${String(daemon.exitCode)}`)
    check(!isMounted(mountDir), 'the mount is gone')
    const kept = createHash('sha256')
    for await (const part of createReadStream(join(downloadDir, name, FILM)) as AsyncIterable<Buffer>)
      kept.update(part)
    check(kept.digest('hex') === sha256(film), `${FILM} stays in the download folder`)
    tell('\nThat is all: the demo removes what it made.')
  } catch (error) {
    if (said !== '') process.stderr.write(`\nthe daemon said:\n${said.split('\n').slice(-15).join('\n')}\n`)
    throw error
  } finally {
    lift()
    daemon.kill('SIGTERM')
    await exited(daemon, 4000)
    seeder.stop()
  }
}

try {
  await demo()
  process.exit(0)
} catch (error) {
  process.stderr.write(`\ndemo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

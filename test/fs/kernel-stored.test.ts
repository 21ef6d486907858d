/**
 * Stored files of the real engine as our own session serves them: by itself, by passthrough where the kernel can, and never
 * with bytes that someone else has put there.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { kernelBackend, mountTorrents, type Mount } from '../../src/fs/index.js'
import { Client, createTorrent, silentLogger, type Logger, type Torrent } from '../../src/torrent/index.js'
import { whyNoFuse } from '../support/fs-backends.js'
import { testBytes } from '../support/fs-fixture.js'
import { output, python, sleep, start, until } from '../support/fs-process.js'

const MiB = 1 << 20
const PIECE = 65536
const CONTENT = testBytes(2 * MiB + 100, 5)
const reason = whyNoFuse('kernel')

function suite(): void {
  let base: string
  let data: string
  let client: Client
  let torrent: Torrent
  let mount: Mount
  let passthrough = false
  const said: string[] = []
  const note = (...words: unknown[]): void => {
    const [fields, text] = words as [{ passthrough?: boolean }, string]
    // Everyone may agree on it, but only root may hand files over.
    if (text.includes('agreed to a session'))
      passthrough = fields.passthrough === true && process.getuid!() === 0
    said.push(text)
  }
  const logger: Logger = { ...silentLogger, debug: note, info: note, warn: note, error: note }
  const path = (): string => join(mount.mountDir, 'file')
  /** What the kernel keeps of the file as it was is right, and hides what these tests are about. */
  const forgetPages = (): Promise<string> =>
    python('import os,sys\nos.posix_fadvise(os.open(sys.argv[1],0),0,0,os.POSIX_FADV_DONTNEED)', [path()])
  const givenToKernel = (): boolean => said.some(text => text.includes('served by the kernel itself'))

  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'torrentfs-stored-'))
  })
  after(() => rm(base, { recursive: true, force: true }))

  beforeEach(async () => {
    said.length = 0
    data = await mkdtemp(join(base, 'data-'))
    await writeFile(join(data, 'file'), CONTENT)
    const metainfo = await createTorrent(join(data, 'file'), { pieceLength: PIECE })
    client = new Client({ downloadDir: data, disableTrackers: true, disableDht: true })
    torrent = client.addNow({ metainfo })
    await torrent.whenReady()
    torrent.download()
    await until('the file is verified', 10_000, () => torrent.files[0]!.storedBytes === CONTENT.length)
    mount = await mountTorrents({
      mountDir: join(base, 'mount'),
      client,
      backend: kernelBackend,
      logger,
    })
  })
  afterEach(async () => {
    await mount.unmount()
    await client.close()
  })

  test('a complete file is served, by the kernel itself where it can', async () => {
    assert.deepEqual(await output('cat', [path()]), Buffer.from(CONTENT))
    assert.equal(givenToKernel(), passthrough)
    assert.equal(passthrough, process.getuid!() === 0 && (await kernelVersion()) >= 6.09)
    await python('import mmap,os,sys\nf=os.open(sys.argv[1],0)\nassert len(mmap.mmap(f,0,prot=1))>0', [
      path(),
    ])
  })

  test('a file that was changed meanwhile is hashed again before any of it is served', async () => {
    await output('cat', [path()])
    const file = await open(join(data, 'file'), 'r+')
    await file.write(Buffer.from('wrong'), 0, 5, MiB)
    await file.close()
    await forgetPages()
    said.length = 0
    // The piece that is wrong now is missing: reading it waits for peers, of which there are none.
    const reader = start('cat', [path()])
    await until('the wrong piece is missed', 5000, () => mount.fs.blockedNames(0).has('file'))
    assert.ok(!givenToKernel())
    const head = await output('head', ['-c', String(MiB - 16 * PIECE), path()])
    assert.deepEqual(head, Buffer.from(CONTENT.subarray(0, MiB - 16 * PIECE)))
    reader.child.kill('SIGKILL')
    const { stdout } = await reader.outcome
    assert.deepEqual(stdout, Buffer.from(CONTENT.subarray(0, stdout.length)))
  })

  test('a file that is changed while it is open is served anew to whoever opens it next', async () => {
    const program = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print('open', flush=True)
sys.stdin.readline()`
    const holder = start('/usr/bin/python3', ['-c', program, path()])
    await until('it is open', 5000, () => holder.said('open'))
    const doubted = once(torrent, 'doubted')
    const file = await open(join(data, 'file'), 'r+')
    await file.write(Buffer.from('wrong'), 0, 5, 0)
    await file.close()
    // Without passthrough the next to open it is the first to look.
    if (passthrough) await Promise.race([doubted, sleep(5000).then(() => assert.fail('not noticed'))])
    else {
      holder.child.stdin!.end('\n')
      await holder.outcome
      await forgetPages()
    }
    const reader = start('cat', [path()])
    await until('the wrong piece is missed', 5000, () => mount.fs.blockedNames(0).has('file'))
    const tail = await output('tail', ['-c', '100', path()])
    assert.deepEqual(tail, Buffer.from(CONTENT.subarray(-100)))
    reader.child.kill('SIGKILL')
    assert.equal((await reader.outcome).stdout.length, 0)
    holder.child.stdin!.end('\n')
    assert.equal((await holder.outcome).code, 0)
  })

  const takings = {
    removed: () => unlink(join(data, 'file')),
    replaced: async () => {
      await writeFile(join(data, 'other'), new Uint8Array(CONTENT.length))
      await rename(join(data, 'other'), join(data, 'file'))
    },
  }
  for (const [what, take] of Object.entries(takings)) {
    test(`a file that is ${what} while it is open goes on with the bytes that were checked`, async () => {
      const program = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
assert len(os.pread(fd, 1, 0)) == 1
print('open', flush=True)
sys.stdin.readline()
sys.stdout.buffer.write(os.pread(fd, 1 << 22, 0))`
      const holder = start('/usr/bin/python3', ['-c', program, path()])
      await until('it is open', 5000, () => holder.said('open'))
      await take()
      holder.child.stdin!.end('\n')
      const { stdout, code, stderr } = await holder.outcome
      assert.equal(code, 0, stderr)
      assert.deepEqual(stdout.subarray('open\n'.length), Buffer.from(CONTENT))
    })
  }
}

/** Such as 6.18. */
async function kernelVersion(): Promise<number> {
  const [major, minor] = (await readFile('/proc/sys/kernel/osrelease', 'utf8')).split('.').map(Number)
  return major! + minor! / 100
}

if (reason === undefined) describe('stored files through our own session', suite)
else test('stored files through our own session', { skip: `SKIP: ${reason}` }, () => {})

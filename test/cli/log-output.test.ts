import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LogOutput } from '../../src/cli/log-output.js'

describe('LogOutput', { timeout: 20_000 }, () => {
  it('writes lines in order to a file and leaves what is in it', t => {
    const folder = mkdtempSync(join(tmpdir(), 'torrentfs-log-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'log')
    spawnSync('sh', ['-c', `echo before > ${path}`])
    const fd = openSync(path, 'a')
    const output = new LogOutput(fd)
    output.write('one\n')
    output.write('two\n')
    closeSync(fd)
    assert.equal(readFileSync(path, 'utf8'), 'before\none\ntwo\n')
  })

  it('neither waits for a reader that has stopped nor forgets to say what was dropped', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'torrentfs-log-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const fifo = join(folder, 'fifo')
    spawnSync('mkfifo', [fifo])
    const both = openSync(fifo, 'r+')
    const output = new LogOutput(both)
    const began = performance.now()
    const line = `${'x'.repeat(999)}\n`
    for (let i = 0; i < 5000; i++) output.write(line)
    assert.ok(performance.now() - began < 2000, 'writing to a full pipe must not wait')
    const cat = spawn('cat', [fifo])
    t.after(() => cat.kill('SIGKILL'))
    let text = ''
    cat.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    await sleep(200)
    while (!text.includes('dropped')) {
      await sleep(50)
      output.flush()
    }
    assert.match(text, /\ntorrentfs: \d+ log lines were dropped/)
    assert.ok(text.startsWith(line.repeat(60)))
    closeSync(both)
    cat.kill()
    await once(cat, 'exit')
  })

  it('takes no harm when its reader is gone', async () => {
    const script = `
      import { LogOutput } from ${JSON.stringify(new URL('../../src/cli/log-output.js', import.meta.url).href)}
      const output = new LogOutput(2)
      await new Promise(resolve => setTimeout(resolve, 300))
      output.write('one\\n')
      output.write('two\\n')
      console.log('alive')
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stderr.destroy()
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 0)
    assert.equal(text, 'alive\n')
  })
})

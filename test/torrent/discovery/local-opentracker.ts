/**
 * opentracker on loopback, with HTTP and UDP at one port of its own, for tests that need no network namespace.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  accessSync,
  chmodSync,
  constants,
  mkdtempSync,
  readlinkSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether the program is there to be run. */
export function hasOpentracker(): boolean {
  return (process.env['PATH'] ?? '').split(':').some(folder => {
    try {
      accessSync(join(folder, 'opentracker'), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** One running opentracker. */
export class LocalOpentracker implements AsyncDisposable {
  readonly port: number
  readonly #process: ChildProcess
  readonly #folder: string

  private constructor(port: number, process: ChildProcess, folder: string) {
    this.port = port
    this.#process = process
    this.#folder = folder
  }

  /** Starts one that admits these infohashes (hex) and waits until it, and not another at its port, answers. */
  static async start(infohashes: readonly string[]): Promise<LocalOpentracker> {
    const folder = mkdtempSync(join(tmpdir(), 'torrentfs-opentracker-'))
    chmodSync(folder, 0o755) // It becomes an ordinary user.
    writeFileSync(join(folder, 'whitelist'), infohashes.map(infohash => `${infohash}\n`).join(''))
    for (let attempt = 0; attempt < 5; attempt++) {
      const port = await freePort()
      // The paths are relative to -d, which it changes its root to when it may.
      const args = ['-i', '127.0.0.1', '-p', `${port}`, '-P', `${port}`, '-d', folder, '-w', 'whitelist']
      const child = spawn('opentracker', args, { stdio: 'ignore' })
      await once(child, 'spawn')
      const tracker = new LocalOpentracker(port, child, folder)
      if (await tracker.#answers()) return tracker
      await tracker.#end()
    }
    rmSync(folder, { recursive: true, force: true })
    throw new Error('opentracker does not start')
  }

  get httpUrl(): URL {
    return new URL(`http://127.0.0.1:${this.port}/announce`)
  }

  get udpUrl(): URL {
    return new URL(`udp://127.0.0.1:${this.port}/announce`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** It shares a port with whoever has it, without a word: so both its sockets must be the only ones there. */
  async #answers(): Promise<boolean> {
    for (let attempt = 0; attempt < 100 && this.#process.exitCode === null; attempt++) {
      const answered = await fetch(`http://127.0.0.1:${this.port}/stats`).then(
        response => response.arrayBuffer().then(() => true),
        () => false,
      )
      if (answered) return this.#isAlone()
      await sleep(50)
    }
    return false
  }

  #isAlone(): boolean {
    const port = this.port.toString(16).toUpperCase().padStart(4, '0')
    const own = new Set(
      readdirSync(`/proc/${this.#process.pid}/fd`).map(descriptor => {
        return /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/${this.#process.pid}/fd/${descriptor}`))?.[1]
      }),
    )
    return ['tcp', 'udp'].every(protocol => {
      const rows = readFileSync(`/proc/net/${protocol}`, 'latin1').split('\n').slice(1)
      const listening = rows
        .map(row => row.trim().split(/\s+/))
        .filter(
          ([, local, , state]) => local?.endsWith(`:${port}`) === true && (state === '0A' || state === '07'),
        )
      return listening.length === 1 && own.has(listening[0]![9])
    })
  }

  async #end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }
}

/** A port free for TCP and UDP a moment ago. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const socket = createSocket('udp4')
    const free = await new Promise<boolean>(resolve => {
      socket.once('error', () => resolve(false))
      socket.bind(port, '127.0.0.1', () => resolve(true))
    })
    socket.close()
    server.close()
    await once(server, 'close')
    if (free) return port
  }
}

/** The seeder of every row: libtorrent in a process and network of its own, driven over its standard input. */
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { ChildProcess } from 'node:child_process'
import type { Content } from './content.js'
import type { Network } from './network.js'
import { PYTHON, SCRIPTS } from './places.js'
import { run, start } from './processes.js'

/** True when libtorrent can be had at all. */
export async function haveLibtorrent(): Promise<boolean> {
  try {
    return (await run(PYTHON, ['-c', 'import libtorrent'])).code === 0
  } catch {
    return false
  }
}

/** A running libtorrent that seeds what it is given. */
export class Seeder {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #seeded = new Set<string>()
  /** host:port */
  address = ''

  private constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error('the seeder has no output')
    this.#child = child
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** Starts libtorrent on the far side of the network. @param flow uTP beside TCP, or RC4 alone; else TCP in the open */
  static start(network: Network, flow?: 'utp' | 'rc4'): Promise<Seeder> {
    const script = join(SCRIPTS, 'libtorrent_seeder.py')
    const more = flow === undefined ? [] : [flow]
    return Seeder.startProgram(network, [PYTHON, '-W', 'ignore', script, network.host, '0', ...more])
  }

  /** Starts any program that is driven the way libtorrent_seeder.py is. */
  static async startProgram(network: Network, program: readonly string[]): Promise<Seeder> {
    const command = [...network.prefix, ...program]
    const seeder = new Seeder(
      start(command[0] as string, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    const { port } = await seeder.#answer()
    seeder.address = `${network.host}:${String(port)}`
    return seeder
  }

  /** Seeds a torrent, once; its bytes are read first so that every run finds them in the page cache. */
  async seed(content: Pick<Content, 'name' | 'folder' | 'path' | 'torrent' | 'infohash'>): Promise<void> {
    if (this.#seeded.has(content.infohash)) return
    this.#seeded.add(content.infohash)
    const answer = await this.#ask({ add: content.torrent, dir: content.folder })
    if (answer['added'] !== content.infohash || answer['seeding'] !== true) {
      throw new Error(`the seeder does not seed ${content.name}: ${JSON.stringify(answer)}`)
    }
    if (content.name.startsWith('random')) await run('dd', [`if=${content.path}`, 'of=/dev/null', 'bs=1M'])
  }

  /** Payload bytes sent to all peers so far. */
  async payload(): Promise<number> {
    return (await this.#ask({ stats: true }))['payload'] as number
  }

  stop(): void {
    this.#child.stdin?.end()
  }

  async #ask(command: object): Promise<Record<string, unknown>> {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
    return this.#answer()
  }

  async #answer(): Promise<Record<string, unknown>> {
    const line = await this.#answers.next()
    if (line.done === true) throw new Error('the seeder ended')
    return JSON.parse(line.value) as Record<string, unknown>
  }
}

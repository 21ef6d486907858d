/**
 * A libtorrent session as a peer of the test (seeder, leecher, giver of metadata) and as a maker of torrents.
 * It runs in a Python process of its own; this is the other end of its line protocol.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Child, eventually } from './child.js'
import { layoutLength, writeLayout, type Layout, type PlacedFile, type TestTorrent } from './content.js'
import type { Host } from './network.js'
import { supportScript, systemPython } from './project.js'
import type { Scope } from './scope.js'

/** What libtorrent tells of one torrent. Bytes, and bytes/s. */
export interface LibtorrentStatus {
  readonly state: string
  readonly progress: number
  readonly seeding: boolean
  readonly metadata: boolean
  readonly payloadUpload: number
  readonly payloadDownload: number
  readonly wasted: number
  readonly uploadRate: number
  readonly downloadRate: number
  readonly peers: number
  readonly done: number
  readonly error: string
}

export interface LibtorrentAdd {
  readonly torrent?: string
  readonly magnet?: string
  readonly folder: string
  readonly seed?: boolean
  /** Connects, and downloads nothing. */
  readonly idle?: boolean
  readonly trackers?: readonly string[]
  readonly uploadLimit?: number
  readonly downloadLimit?: number
  readonly peers?: readonly (readonly [host: string, port: number])[]
}

type Answer = Record<string, unknown> & { id?: number; error?: string }

/** Options of a torrent to make. */
export interface MakeOptions {
  readonly pieceLength?: number
  readonly trackers?: readonly string[]
  readonly private?: boolean
  /** Align files to pieces with pad files (BEP 47). */
  readonly pads?: boolean
  readonly hybrid?: boolean
  /** Where the `.torrent` goes; default `<folder>/<name>.torrent`. */
  readonly out?: string
  /** What the bytes are made from; default the layout's name. */
  readonly seed?: string
}

/** One session. */
export class Libtorrent {
  readonly child: Child
  readonly address: string
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #next = 1
  #port = 0

  private constructor(child: Child, address: string) {
    this.child = child
    this.address = address
    child.onLine(line => this.#take(line))
  }

  /** The port it listens on. */
  get port(): number {
    return this.#port
  }

  /** Starts a session on a host, listening at its address. `settings` are libtorrent's own names. */
  static async start(
    host: Host,
    settings: Readonly<Record<string, unknown>> = {},
    port = 6881,
  ): Promise<Libtorrent> {
    const argument = JSON.stringify({ listen: `${host.address}:${port}`, settings })
    const child = host.start(systemPython, [supportScript('libtorrent_peer.py'), argument])
    return await new Libtorrent(child, host.address).#ready()
  }

  /** A session without a listen socket, to make torrents with. */
  static async maker(scope: Scope): Promise<Libtorrent> {
    const child = new Child(systemPython, [supportScript('libtorrent_peer.py'), '{}'], {}, scope)
    return await new Libtorrent(child, '').#ready()
  }

  async #ready(): Promise<this> {
    const ready = await this.child.printed(/"ready": true, "port": (\d+)/, 15_000, 'stdout')
    this.#port = Number(ready[1])
    return this
  }

  /** Writes the layout below `folder` and makes a torrent of it. */
  async make(folder: string, layout: Layout, options: MakeOptions = {}): Promise<TestTorrent> {
    mkdirSync(folder, { recursive: true })
    writeLayout(folder, layout, options.seed ?? layout.name)
    return await this.makeOf(folder, layout, options)
  }

  /** Makes a torrent of content that lies below `folder` already; its lengths must be those of the layout. */
  async makeOf(folder: string, layout: Layout, options: MakeOptions = {}): Promise<TestTorrent> {
    const out = options.out ?? join(folder, `${layout.name}.torrent`)
    const deadline = 20_000 + layoutLength(layout) / 20_000
    const answer = await this.ask(
      'make',
      {
        source: folder,
        name: layout.name,
        files: layout.files.map(file => file.path),
        pieceLength: options.pieceLength ?? 0,
        trackers: options.trackers ?? [],
        private: options.private ?? false,
        pads: options.pads ?? false,
        hybrid: options.hybrid ?? false,
        out,
      },
      deadline,
    )
    return describe(answer, out, folder)
  }

  /** Reads what a torrent file says. `source` is the folder its content lies in. */
  async describe(torrent: string, source: string): Promise<TestTorrent> {
    return describe(await this.ask('describe', { torrent }), torrent, source)
  }

  async add(add: LibtorrentAdd): Promise<string> {
    return (await this.ask('add', { ...add }))['infohash'] as string
  }

  /** Seeds a torrent whose content lies at its source, without checking it, and waits until it does. */
  async seed(torrent: TestTorrent, more: Partial<LibtorrentAdd> = {}): Promise<void> {
    await this.add({ torrent: torrent.file, folder: torrent.source, seed: true, trackers: [], ...more })
    await this.until(torrent.infohash, status => status.seeding, 20_000, 'seeding')
  }

  async connect(infohash: string, host: string, port: number): Promise<void> {
    await this.ask('connect', { infohash, host, port })
  }

  async status(infohash: string): Promise<LibtorrentStatus> {
    return (await this.ask('status', { infohash })) as unknown as LibtorrentStatus
  }

  /** Payload bytes sent so far to all peers of the torrent. */
  async uploaded(infohash: string): Promise<number> {
    return (await this.status(infohash)).payloadUpload
  }

  /** Payload bytes sent of a torrent up to this moment (`uploaded` is brought up to date once a second only). */
  async sentPayload(torrent: TestTorrent): Promise<number> {
    let sum = 0
    for (const [key, times] of await this.uploadedBlocks(torrent.infohash)) {
      const [piece, block] = key.split('/').map(Number) as [number, number]
      sum += times * Math.min(16384, torrent.length - piece * torrent.pieceLength - block * 16384)
    }
    return sum
  }

  /** How often each block was sent: `piece/block` to times. */
  async uploadedBlocks(infohash: string, reset = false): Promise<Map<string, number>> {
    const { blocks } = (await this.ask('uploaded', { infohash, reset })) as unknown as {
      blocks: [number, number, number][]
    }
    return new Map(blocks.map(([piece, block, times]) => [`${piece}/${block}`, times]))
  }

  async until(
    infohash: string,
    condition: (status: LibtorrentStatus) => boolean,
    deadlineMs: number,
    what: string,
  ): Promise<LibtorrentStatus> {
    let last: LibtorrentStatus | undefined
    try {
      return await eventually(what, deadlineMs, async () => {
        last = await this.status(infohash)
        return condition(last) ? last : undefined
      })
    } catch (error) {
      const log = await this.log().catch(() => [])
      throw new Error(
        `libtorrent ${this.address}: not ${what}: ${JSON.stringify(last)}\n${log.slice(-25).join('\n')}`,
        {
          cause: error,
        },
      )
    }
  }

  /** Its last alerts, for messages of failures. */
  async log(): Promise<string[]> {
    return (await this.ask('log', {}))['log'] as string[]
  }

  /** Sends one request of the line protocol. @throws when it answers with an error or not in time. */
  async ask(op: string, fields: Readonly<Record<string, unknown>>, deadlineMs = 20_000): Promise<Answer> {
    const id = this.#next++
    const answer = await new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(
          new Error(`libtorrent: no answer to ${op} in ${deadlineMs} ms\n${this.child.stderr.slice(-2000)}`),
        )
      }, deadlineMs)
      this.#waiting.set(id, value => {
        clearTimeout(timer)
        resolve(value)
      })
      this.child.write(JSON.stringify({ ...fields, id, op }) + '\n')
    })
    if (answer.error) throw new Error(`libtorrent: ${op}: ${answer.error}`)
    return answer
  }

  async stop(): Promise<void> {
    this.child.closeInput()
    await this.child.stop('SIGTERM')
  }

  #take(line: string): void {
    const answer = JSON.parse(line) as Answer
    if (answer.id === undefined) return
    const resolve = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    resolve?.(answer)
  }
}

function describe(answer: Answer, file: string, source: string): TestTorrent {
  return {
    name: answer['name'] as string,
    infohash: answer['infohash'] as string,
    file,
    source,
    length: answer['length'] as number,
    pieceLength: answer['pieceLength'] as number,
    pieceCount: answer['pieceCount'] as number,
    files: answer['files'] as PlacedFile[],
  }
}

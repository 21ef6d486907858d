/**
 * transmission-daemon on a host, as seeder or leecher, driven by its RPC over HTTP.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, eventually, type Child } from './child.js'
import type { Host } from './network.js'
import type { Scope } from './scope.js'

/** What it tells of one torrent. Bytes. */
export interface TransmissionStatus {
  readonly percentDone: number
  readonly leftUntilDone: number
  readonly uploadedEver: number
  readonly downloadedEver: number
  readonly corruptEver: number
  readonly status: number
  readonly errorString: string
  readonly metadataPercentComplete: number
  readonly peersConnected: number
}

const SEEDING = 6

/** One daemon. */
export class Transmission {
  readonly host: Host
  readonly port: number
  readonly child: Child
  readonly #rpc: string
  #session = ''

  private constructor(host: Host, port: number, child: Child, rpcPort: number) {
    this.host = host
    this.port = port
    this.child = child
    this.#rpc = `http://${host.address}:${rpcPort}/transmission/rpc`
  }

  get address(): string {
    return this.host.address
  }

  /**
   * Starts one, TCP only, no DHT, PEX or LPD. `settings` are those of its settings.json; `prepare` may put more into its
   * folder.
   */
  static async start(
    scope: Scope,
    host: Host,
    settings: Readonly<Record<string, unknown>> = {},
    prepare?: (folder: string) => void,
  ): Promise<Transmission> {
    const folder = scope.folder('torrentfs-transmission-')
    const port = 51413
    const rpcPort = 9091
    mkdirSync(join(folder, 'downloads'))
    writeFileSync(
      join(folder, 'settings.json'),
      JSON.stringify({
        'bind-address-ipv4': host.address,
        'peer-port': port,
        'port-forwarding-enabled': false,
        'dht-enabled': false,
        'lpd-enabled': false,
        'pex-enabled': false,
        'utp-enabled': false,
        'rpc-enabled': true,
        'rpc-port': rpcPort,
        'rpc-bind-address': host.address,
        'rpc-whitelist-enabled': false,
        'rpc-host-whitelist-enabled': false,
        'rpc-authentication-required': false,
        'download-dir': join(folder, 'downloads'),
        'incomplete-dir-enabled': false,
        'cache-size-mb': 4,
        preallocation: 1,
        encryption: 1,
        'download-queue-enabled': false,
        'seed-queue-enabled': false,
        ...settings,
      }),
    )
    prepare?.(folder)
    const child = host.start('transmission-daemon', ['--foreground', '--config-dir', folder, '--log-debug'])
    const daemon = new Transmission(host, port, child, rpcPort)
    await eventually('transmission answers its RPC', 15_000, async () => {
      if (child.exit !== undefined) throw new Error(`transmission-daemon ended: ${child.stderr}`)
      return await daemon.ask('session-get', { fields: ['version'] }).then(
        () => true,
        () => undefined,
      )
    })
    return daemon
  }

  /** Adds a torrent file or a magnet; data lies, or will lie, below `folder`. */
  async add(source: { torrent: string } | { magnet: string }, folder: string): Promise<void> {
    await this.ask('torrent-add', {
      'download-dir': folder,
      paused: false,
      ...('torrent' in source
        ? { metainfo: readFileSync(source.torrent).toString('base64') }
        : { filename: source.magnet }),
    })
  }

  /** Adds torrents whose data is there, and waits until it has checked and seeds them. */
  async seed(torrent: { infohash: string; file: string; source: string }): Promise<void> {
    await this.add({ torrent: torrent.file }, torrent.source)
    await this.until(
      torrent.infohash,
      status => status.status === SEEDING && status.leftUntilDone === 0,
      60_000,
      'seeding',
    )
  }

  async status(infohash: string): Promise<TransmissionStatus | undefined> {
    const answer = (await this.ask('torrent-get', {
      ids: [infohash],
      fields: [
        ...[
          'percentDone',
          'leftUntilDone',
          'uploadedEver',
          'downloadedEver',
          'corruptEver',
          'status',
          'errorString',
        ],
        ...['metadataPercentComplete', 'peersConnected'],
      ],
    })) as { torrents: TransmissionStatus[] }
    return answer.torrents[0]
  }

  async uploaded(infohash: string): Promise<number> {
    return (await this.status(infohash))?.uploadedEver ?? 0
  }

  async until(
    infohash: string,
    condition: (status: TransmissionStatus) => boolean,
    deadlineMs: number,
    what: string,
  ): Promise<void> {
    let last: TransmissionStatus | undefined
    try {
      await eventually(what, deadlineMs, async () => {
        last = await this.status(infohash)
        return last !== undefined && condition(last)
      })
    } catch (error) {
      throw new Error(
        `transmission ${this.address}: not ${what}: ${JSON.stringify(last)}\n${this.child.stderr.slice(-3000)}`,
        { cause: error },
      )
    }
  }

  async addTracker(infohash: string, url: string): Promise<void> {
    await this.ask('torrent-set', { ids: [infohash], trackerAdd: [url] })
  }

  async remove(infohash: string): Promise<void> {
    await this.ask('torrent-remove', { ids: [infohash] })
  }

  /** One RPC. @throws when it does not answer "success". */
  async ask(method: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    for (let attempt = 0; attempt < 2; attempt++) {
      const reply = await fetch(this.#rpc, {
        method: 'POST',
        headers: { 'X-Transmission-Session-Id': this.#session },
        body: JSON.stringify({ method, arguments: args }),
        signal: AbortSignal.timeout(10_000),
      })
      if (reply.status === 409) {
        this.#session = reply.headers.get('X-Transmission-Session-Id') ?? ''
        await reply.arrayBuffer()
        continue
      }
      const body = (await reply.json()) as { result: string; arguments: unknown }
      if (body.result !== 'success') throw new Error(`transmission: ${method}: ${body.result}`)
      return body.arguments
    }
    throw new Error(`transmission: ${method}: it does not accept its own session id`)
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGTERM', 6000)
  }
}

/** Makes a torrent of a file or folder with transmission's own tool. */
export async function transmissionCreate(
  scope: Scope,
  root: string,
  out: string,
  options: {
    readonly trackers?: readonly string[]
    readonly pieceKiB?: number
    readonly private?: boolean
  } = {},
): Promise<void> {
  await check(
    scope,
    'transmission-create',
    [
      ...['-o', out],
      ...(options.trackers ?? []).flatMap(tracker => ['-t', tracker]),
      ...(options.pieceKiB === undefined ? [] : ['-s', `${options.pieceKiB}`]),
      ...(options.private === true ? ['-p'] : []),
      root,
    ],
    { deadlineMs: 120_000 },
  )
}

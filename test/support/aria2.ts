/**
 * aria2c on a host, as seeder or leecher. One process is one download, told all by its command line.
 */

import type { Child, Outcome } from './child.js'
import type { Host } from './network.js'

export interface Aria2Options {
  /** A `.torrent` file or a magnet URI. */
  readonly source: string
  /** The folder that holds, or will hold, the torrent's root. */
  readonly folder: string
  readonly port?: number
  readonly args?: readonly string[]
}

/** One aria2c. */
export class Aria2 {
  readonly child: Child
  readonly address: string
  readonly port: number

  private constructor(child: Child, address: string, port: number) {
    this.child = child
    this.address = address
    this.port = port
  }

  /** Seeds data that is there, checking it first. Resolves when it seeds. */
  static async seed(host: Host, options: Aria2Options): Promise<Aria2> {
    const aria = Aria2.#start(host, options, [
      ...[
        '--check-integrity=true',
        '--bt-seed-unverified=false',
        '--bt-hash-check-seed=true',
        '--seed-ratio=0.0',
      ],
      '--allow-overwrite=true',
    ])
    await aria.child.printed(
      /Seeding is|Seed the torrent|SEED\(|SEEDING|Verification finished successfully/i,
      60_000,
    )
    return aria
  }

  /** Starts a download that ends when it is complete. */
  static download(host: Host, options: Aria2Options): Aria2 {
    return Aria2.#start(host, options, ['--seed-time=0'])
  }

  /** Waits until the download is complete. @throws with its output when it is not. */
  async completed(deadlineMs: number): Promise<Outcome> {
    const outcome = await this.child.ended(deadlineMs)
    if (outcome.code !== 0) throw new Error(`aria2c: code ${outcome.code}\n${outcome.stdout.slice(-4000)}`)
    return outcome
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGTERM')
  }

  static #start(host: Host, options: Aria2Options, more: readonly string[]): Aria2 {
    const port = options.port ?? 6891
    const child = host.start(
      'aria2c',
      [
        ...[
          '--no-conf=true',
          `--dir=${options.folder}`,
          `--listen-port=${port}`,
          `--interface=${host.address}`,
        ],
        ...[
          '--enable-dht=false',
          '--enable-dht6=false',
          '--bt-enable-lpd=false',
          '--enable-peer-exchange=false',
        ],
        ...[
          '--file-allocation=none',
          '--summary-interval=1',
          '--console-log-level=info',
          '--disable-ipv6=true',
        ],
        ...[
          '--bt-tracker-connect-timeout=5',
          '--bt-tracker-timeout=5',
          '--enable-color=false',
          '--bt-save-metadata=true',
        ],
        ...more,
        ...(options.args ?? []),
        options.source,
      ],
      { cwd: options.folder },
    )
    return new Aria2(child, host.address, port)
  }
}

/** What leaves and enters a host's network, as seen by tcpdump on one of its interfaces. */

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { check, type Child } from './child.js'
import type { Host } from './network.js'
import type { Scope } from './scope.js'

/** A capture under way. */
export class PacketFile {
  readonly #scope: Scope
  readonly #child: Child
  readonly #file: string

  private constructor(scope: Scope, child: Child, file: string) {
    this.#scope = scope
    this.#child = child
    this.#file = file
  }

  /** Begins to capture every packet of `eth0`, whole, in both directions or of those that leave. */
  static async start(scope: Scope, host: Host, direction: 'out' | 'inout' = 'inout'): Promise<PacketFile> {
    const file = join(scope.folder('torrentfs-capture-'), 'packets.pcap')
    const child = host.start('tcpdump', [
      '-i',
      'eth0',
      '-Q',
      direction,
      '-n',
      '-U',
      // Else the kernel keeps packets for up to a second before it gives them away.
      '--immediate-mode',
      '-s',
      '0',
      '-B',
      '16384',
      '-w',
      file,
    ])
    await child.printed(/listening on/, 20_000)
    return new PacketFile(scope, child, file)
  }

  /** Ends it. @returns the file's bytes: every payload is in it as it was */
  async stop(): Promise<Buffer> {
    // What was received a moment ago has not been written yet, and at its end it leaves unwritten what it has not.
    let size: number
    do {
      size = statSync(this.#file).size
      await new Promise(resolve => setTimeout(resolve, 500))
    } while (statSync(this.#file).size > size)
    await this.#child.stop('SIGINT', 10_000)
    return readFileSync(this.#file)
  }

  /** The packets that a filter of tcpdump lets through, a line each. After {@link stop}. */
  async packets(filter: string): Promise<string[]> {
    const { stdout } = await check(this.#scope, 'tcpdump', ['-n', '-r', this.#file, filter])
    return stdout.split('\n').filter(line => line !== '')
  }
}

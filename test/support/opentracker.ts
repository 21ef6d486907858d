/**
 * opentracker on a host: HTTP and UDP announces at one port. Debian's build admits only whitelisted infohashes.
 */

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from './child.js'
import { eventually } from './child.js'
import type { Host } from './network.js'
import type { Scope } from './scope.js'

/** One tracker. */
export class Opentracker {
  readonly host: Host
  readonly port: number
  readonly #folder: string
  readonly #allowed = new Set<string>()
  #child: Child | undefined

  private constructor(host: Host, port: number, folder: string) {
    this.host = host
    this.port = port
    this.#folder = folder
  }

  /** Starts one that admits these infohashes (hex). */
  static async start(
    scope: Scope,
    host: Host,
    infohashes: readonly string[] = [],
    port = 6969,
  ): Promise<Opentracker> {
    const tracker = new Opentracker(host, port, scope.folder('torrentfs-tracker-'))
    chmodSync(tracker.#folder, 0o755) // It insists on running as an ordinary user.
    for (const infohash of infohashes) tracker.#allowed.add(infohash)
    tracker.#write()
    // The paths are relative to -d: it changes root to there before it reads the list.
    tracker.#child = host.start('opentracker', [
      ...['-i', host.address, '-p', `${port}`, '-P', `${port}`, '-d', tracker.#folder, '-w', 'whitelist'],
    ])
    await eventually('opentracker answers', 10_000, async () => {
      if (tracker.#child?.exit !== undefined) throw new Error(`opentracker ended: ${tracker.#child.stderr}`)
      return await fetch(`http://${host.address}:${port}/stats`, { signal: AbortSignal.timeout(1000) }).then(
        () => true,
        () => undefined,
      )
    })
    return tracker
  }

  get httpUrl(): string {
    return `http://${this.host.address}:${this.port}/announce`
  }

  get udpUrl(): string {
    return `udp://${this.host.address}:${this.port}/announce`
  }

  /** Admits further infohashes. It reads its list again on SIGHUP, in a moment of its own. */
  async allow(...infohashes: readonly string[]): Promise<void> {
    for (const infohash of infohashes) this.#allowed.add(infohash)
    this.#write()
    this.#child?.signal('SIGHUP')
    await sleep(300)
  }

  /** Seeders and leechers it knows of a torrent, from its scrape. */
  async swarm(infohash: string): Promise<{ seeders: number; leechers: number }> {
    const escaped = infohash.replace(/../g, '%$&')
    const reply = await fetch(`http://${this.host.address}:${this.port}/scrape?info_hash=${escaped}`)
    const text = Buffer.from(await reply.arrayBuffer()).toString('latin1')
    const number = (key: string): number =>
      Number(new RegExp(`${key.length}:${key}i(\\d+)e`).exec(text)?.[1] ?? 0)
    return { seeders: number('complete'), leechers: number('incomplete') }
  }

  /** Waits until so many seeders of a torrent have announced themselves. */
  async seeders(infohash: string, count: number, deadlineMs = 15_000): Promise<void> {
    await eventually(`${count} seeders of ${infohash} at the tracker`, deadlineMs, async () => {
      // A connection that fails on a busy machine is no answer.
      return await this.swarm(infohash).then(
        swarm => swarm.seeders >= count,
        () => false,
      )
    })
  }

  async stop(): Promise<void> {
    await this.#child?.stop()
  }

  #write(): void {
    writeFileSync(join(this.#folder, 'whitelist'), [...this.#allowed].map(hash => `${hash}\n`).join(''))
  }
}

/**
 * Local service discovery by hand: what this network says, and one word to it (BEP 14).
 *
 * Owns its sockets. For looking and for trying: a client takes part by `local-discovery.ts`, which decides when to speak
 * and whom to believe.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HostPort } from '../metainfo/addresses.js'
import { MulticastGroup } from '../net/multicast-group.js'
import { decodeLsdMessage, encodeLsdMessage } from '../wire/lsd-message.js'
import { LSD_GROUP4, LSD_GROUP6, LSD_PORT } from './local-discovery.js'

const OPENING_MS = 2000
const POLL_MS = 50

/** What somebody in this network announced. */
export interface LocalAnnouncement {
  /** Where it takes peers: the address it spoke from, with the port it named. */
  readonly peer: HostPort
  /** 40 lower-case hexadecimal digits each. */
  readonly infohashes: readonly string[]
}

/** Options of a {@link LocalListener}. */
export interface LocalListenerOptions {
  /** Hears of each announcement but our own; one that a program sends over several interfaces comes several times. */
  readonly heard: (announcement: LocalAnnouncement) => void
  /** Told when an address family cannot be heard. */
  readonly failed?: (reason: string) => void
}

/** Hears of torrents in this network until it is closed. */
export class LocalListener {
  readonly #group: MulticastGroup
  readonly #cookie = randomBytes(8).toString('hex')

  constructor({ heard, failed }: LocalListenerOptions) {
    this.#group = new MulticastGroup({
      port: LSD_PORT,
      group4: LSD_GROUP4,
      group6: LSD_GROUP6,
      usable: () => true,
      heard: (bytes, from) => {
        const message = decodeLsdMessage(bytes)
        if (message === undefined || message.cookie === this.#cookie) return
        heard({ peer: { host: from.host, port: message.port }, infohashes: message.infohashes })
      },
      ...(failed === undefined ? {} : { failed }),
    })
    this.#group.open()
  }

  /**
   * Says once, on every interface, that peers with a torrent are to be found at this machine's port.
   *
   * @param infohash 40 lower-case hexadecimal digits
   * @returns on how many interfaces it could be said, counted for each address family
   */
  async announce(infohash: string, port: number): Promise<number> {
    // Right after the beginning they are still being opened.
    for (let waited = 0; this.#group.interfaces === 0 && waited < OPENING_MS; waited += POLL_MS)
      await sleep(POLL_MS)
    await sleep(POLL_MS)
    const message = { port, infohashes: [infohash], cookie: this.#cookie }
    this.#group.send(group => encodeLsdMessage(group, message))
    return this.#group.interfaces
  }

  /** Idempotent. */
  close(): void {
    this.#group.close()
  }
}

/**
 * What a caller may ask of the DHT outside any torrent: who has one, and whether a node is there. BEP 5.
 *
 * Owns the waiting. Every wait ends: by the answer, by the caller's signal, or by the end of the DHT.
 */
import { TorrentError } from '../../errors.js'
import type { HostPort } from '../../metainfo/addresses.js'
import { canonicalIp } from '../../net/ip-address.js'
import { familyOf, whereIs } from './contact.js'
import type { DhtNode } from './dht-node.js'
import type { Walk } from './walk.js'

/** Options of `Dht.getPeers`. */
export interface GetPeersOptions {
  readonly signal?: AbortSignal
  /** Hears of peers as they come. */
  readonly onPeers?: (peers: readonly HostPort[]) => void
}

/** A node that answered. */
export interface Pong {
  /** Its id: 40 hexadecimal digits. */
  readonly id: string
  /** From question to answer, in ms. */
  readonly ms: number
}

export interface QuestionsOptions {
  /** The nodes of ours, once they are there. */
  readonly nodes: () => Promise<readonly DhtNode[]>
  /** Something was sent: time must pass for it. */
  readonly sent: () => void
  /** Aborts when the DHT ends. */
  readonly ended: AbortSignal
}

/** How long a lookup waits for anybody to ask, in ms. */
const PATIENCE_MS = 10_000
const POLL_MS = 20
const PARALLEL = 8

export class Questions {
  readonly #o: QuestionsOptions

  constructor(options: QuestionsOptions) {
    this.#o = options
  }

  /** As `Dht.getPeers`. */
  async getPeers(infohash: string, { signal, onPeers }: GetPeersOptions = {}): Promise<HostPort[]> {
    if (!/^[0-9a-f]{40}$/i.test(infohash))
      throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${infohash} is no infohash`)
    const nodes = await this.#usable(signal)
    const target = Buffer.from(infohash, 'hex')
    const found = new Map<string, HostPort>()
    const take = (peers: readonly HostPort[]): void => {
      const fresh = peers.filter(peer => !found.has(whereIs(peer)))
      for (const peer of fresh) found.set(whereIs(peer), peer)
      if (fresh.length > 0) onPeers?.(fresh)
    }
    const ends = this.#ends(signal)
    const walks: Walk[] = []
    await new Promise<void>(resolve => {
      let left = nodes.length
      if (left === 0 || ends.aborted) return resolve()
      ends.addEventListener('abort', () => resolve(), { once: true })
      const onDone = (): void => {
        if (--left === 0) resolve()
      }
      for (const node of nodes) {
        const at = performance.now()
        take(node.known(target, at))
        walks.push(node.walk({ method: 'get_peers', target, parallel: PARALLEL, onPeers: take, onDone }, at))
      }
      this.#o.sent()
    })
    for (const walk of walks) walk.stop()
    this.#check(signal)
    return [...found.values()]
  }

  /** As `Dht.ping`. */
  async ping({ host, port }: HostPort): Promise<Pong | undefined> {
    const ip = canonicalIp(host)
    if (ip === undefined) throw new TorrentError('ERR_TORRENTFS_ARGUMENT', `${host} is no IP address`)
    const node = (await this.#o.nodes()).find(({ family }) => family === familyOf(ip))
    this.#check(undefined)
    if (node === undefined) return undefined
    const sentAt = performance.now()
    const pong = await new Promise<Pong | undefined>(resolve => {
      this.#o.ended.addEventListener('abort', () => resolve(undefined), { once: true })
      node.ping({ host: ip, port }, sentAt, (id, at) => {
        resolve(id === undefined ? undefined : { id: Buffer.from(id).toString('hex'), ms: at - sentAt })
      })
      this.#o.sent()
    })
    this.#check(undefined)
    return pong
  }

  /** Our nodes that know anybody, as soon as one does. */
  async #usable(signal: AbortSignal | undefined): Promise<readonly DhtNode[]> {
    const deadline = performance.now() + PATIENCE_MS
    const nodes = await this.#o.nodes()
    for (;;) {
      this.#check(signal)
      const usable = nodes.filter(node => node.usable)
      if (usable.length > 0 || performance.now() > deadline) return usable
      await new Promise(resolve => setTimeout(resolve, POLL_MS))
    }
  }

  #ends(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#o.ended : AbortSignal.any([signal, this.#o.ended])
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#o.ended.aborted) throw new TorrentError('ERR_TORRENTFS_CLOSED', 'the DHT is closed')
    if (signal?.aborted === true) throw new TorrentError('ERR_TORRENTFS_ABORTED', 'the lookup was given up')
  }
}

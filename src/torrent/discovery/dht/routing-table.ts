/**
 * The nodes we know, near ones densely and far ones sparsely: a bucket for each number of leading bits shared with our id.
 * BEP 5; whom to prefer, BEP 42.
 *
 * Pure; times are of any one clock, ms. Owns who is kept. Only nodes that answered us are: what others tell is hearsay. One
 * address, and of IPv6 one network, has one node, so that nobody fills the table from a single machine.
 */
import { realmOf } from '../../net/ip-address.js'
import { bytesOfHost } from '../../net/ip-bytes.js'
import { whereIs, type Contact } from './contact.js'
import { compareDistance, ID_BITS, idSharing, isSecureId, sharedBits } from './node-id.js'

/** A node that answered us. */
export interface TableNode extends Contact {
  /** When it last answered. */
  readonly answeredAt: number
  /** Queries in a row that it did not answer. */
  readonly failures: number
  /** Its id fits its address (BEP 42). */
  readonly secure: boolean
}

type Kept = { -readonly [K in keyof TableNode]: TableNode[K] }

interface Bucket {
  readonly nodes: Kept[]
  /** Who takes the place of a node that dies, the newest last. */
  readonly spares: Kept[]
  touchedAt: number
}

/** Nodes of a bucket: `K` of BEP 5. */
export const BUCKET_SIZE = 8
/** The farthest buckets cover most of the space, and are asked first by every lookup: there more are kept. */
const FAR_BUCKET_SIZES = [64, 32, 16]
/** A node that failed so often makes room for any other. */
const MAX_FAILURES = 2

export class RoutingTable {
  #own: Uint8Array
  #buckets = new Map<number, Bucket>()
  /** By address; of IPv6, by network. Those that do not reach the world are many to a host. */
  readonly #places = new Map<string, Kept>()
  #size = 0

  /** @param own our id, 20 bytes */
  constructor(own: Uint8Array) {
    this.#own = own
  }

  get own(): Uint8Array {
    return this.#own
  }

  /** Nodes kept, spares not counted. */
  get size(): number {
    return this.#size
  }

  /** Every node, spares not counted; the farthest buckets first. */
  *nodes(): Generator<TableNode, void, undefined> {
    for (const bits of [...this.#buckets.keys()].sort((a, b) => a - b)) yield* this.#buckets.get(bits)!.nodes
  }

  /** The node at an address under an id, if it is kept. */
  get(contact: Contact): TableNode | undefined {
    return this.#find(contact)
  }

  /** Takes another id, and sorts the nodes anew. */
  rebase(own: Uint8Array): void {
    const nodes = [...this.#buckets.values()].flatMap(({ nodes, spares }) => [...nodes, ...spares])
    this.#own = own
    this.#buckets = new Map()
    this.#places.clear()
    this.#size = 0
    for (const node of nodes) this.#add(node, node.answeredAt, node.failures)
  }

  /** A node answered. @returns whether it is kept now */
  answered(contact: Contact, now: number): boolean {
    const known = this.#find(contact)
    if (known === undefined) return this.#add(contact, now, 0)
    known.answeredAt = Math.max(known.answeredAt, now)
    known.failures = 0
    return true
  }

  /** Keeps a node that answered in an earlier life. Until it does again it is not told of. */
  remember(contact: Contact, now: number): void {
    if (this.#find(contact) === undefined) this.#add(contact, now, 1)
  }

  /** Whether a node that is not kept would be if it answered: worth a ping. */
  hasRoom(contact: Contact): boolean {
    const bits = sharedBits(this.#own, contact.id)
    const ip = bytesOfHost(contact.host)
    if (bits === ID_BITS || ip === undefined || this.#places.has(placeOf(contact, ip))) return false
    const bucket = this.#buckets.get(bits)
    if (bucket === undefined || bucket.nodes.length < sizeOf(bits)) return true
    return bucket.nodes.some(({ failures }) => failures > 0)
  }

  /** A node did not answer a query in time. With `certain`, it is gone: somebody else answers there. */
  failed(contact: Contact, certain = false): void {
    const node = this.#find(contact)
    if (node === undefined) return
    node.failures++
    const bucket = this.#buckets.get(sharedBits(this.#own, node.id))!
    // Without a successor it stays for a while: when our own line is down, everybody seems dead.
    if (
      certain ||
      node.failures > MAX_FAILURES * 2 ||
      (node.failures >= MAX_FAILURES && bucket.spares.length > 0)
    )
      this.#drop(node)
  }

  /** The `count` nodes nearest to a target, the nearest first, of those that have failed at most `failures` times in a row. */
  closest(target: Uint8Array, count: number, failures = 0): TableNode[] {
    // Asked at every query that comes: most nodes are farther than the farthest chosen, and cost one comparison.
    const chosen: TableNode[] = []
    for (const { nodes } of this.#buckets.values()) {
      for (const node of nodes) {
        if (node.failures > failures) continue
        let at = chosen.length
        while (at > 0 && compareDistance(target, node.id, chosen[at - 1]!.id) < 0) at--
        if (at === count) continue
        chosen.splice(at, 0, node)
        if (chosen.length > count) chosen.pop()
      }
    }
    return chosen
  }

  /** The node that was silent longest, if longer than `ms`: to be pinged. */
  stalest(now: number, ms: number): TableNode | undefined {
    let stalest: TableNode | undefined
    for (const { nodes } of this.#buckets.values()) {
      for (const node of nodes) {
        if (stalest === undefined || node.answeredAt < stalest.answeredAt) stalest = node
      }
    }
    return stalest !== undefined && now - stalest.answeredAt > ms ? stalest : undefined
  }

  /** Notes that a lookup went through the bucket of a target. */
  touched(target: Uint8Array, now: number): void {
    const bucket = this.#buckets.get(sharedBits(this.#own, target))
    if (bucket !== undefined) bucket.touchedAt = now
  }

  /**
   * What to look up so that the table fills: an id in the bucket that lacks nodes and that nobody touched for longest, if for
   * longer than `ms`; undefined when there is none. A full bucket is kept fresh by pings alone.
   */
  refreshTarget(now: number, ms: number, random: Uint8Array): Uint8Array | undefined {
    let oldest: number | undefined
    let oldestAt = now - ms
    for (const [bits, { touchedAt, nodes }] of this.#buckets) {
      if (touchedAt > oldestAt || nodes.length >= BUCKET_SIZE) continue
      oldest = bits
      oldestAt = touchedAt
    }
    return oldest === undefined ? undefined : idSharing(this.#own, oldest, random)
  }

  #find({ id, host, port }: Contact): Kept | undefined {
    const bucket = this.#buckets.get(sharedBits(this.#own, id))
    const is = (node: Contact): boolean =>
      node.port === port && node.host === host && compareDistance(id, node.id, id) === 0
    return bucket?.nodes.find(is) ?? bucket?.spares.find(is)
  }

  #add(contact: Contact, now: number, failures: number): boolean {
    const bits = sharedBits(this.#own, contact.id)
    if (bits === ID_BITS) return false
    const ip = bytesOfHost(contact.host)
    if (ip === undefined) return false
    // Whoever holds the place holds it while it answers: it is not given to the next id that claims the address.
    const place = placeOf(contact, ip)
    const holder = this.#places.get(place)
    if (holder !== undefined) {
      if (holder.failures === 0) return false
      this.#drop(holder)
    }
    const { id, host, port } = contact
    const node = { id, host, port, answeredAt: now, failures, secure: isSecureId(id, host) }
    return this.#insert(node, place, bits)
  }

  #insert(node: Kept, place: string, bits: number): boolean {
    let bucket = this.#buckets.get(bits)
    if (bucket === undefined) {
      bucket = { nodes: [], spares: [], touchedAt: node.answeredAt }
      this.#buckets.set(bits, bucket)
    }
    if (bucket.nodes.length >= sizeOf(bits)) {
      const loser =
        bucket.nodes.find(({ failures }) => failures >= MAX_FAILURES) ??
        (node.secure ? bucket.nodes.find(({ secure }) => !secure) : undefined)
      if (loser === undefined) {
        this.#addSpare(bucket, node, place)
        return false
      }
      this.#remove(bucket, loser)
    }
    bucket.nodes.push(node)
    this.#places.set(place, node)
    this.#size++
    return true
  }

  #addSpare({ spares }: Bucket, node: Kept, place: string): void {
    if (spares.length >= BUCKET_SIZE) this.#places.delete(placeOf(spares.shift()!))
    spares.push(node)
    this.#places.set(place, node)
  }

  /** Drops a node, and lets the newest spare take its place. */
  #drop(node: Kept): void {
    const bits = sharedBits(this.#own, node.id)
    const bucket = this.#buckets.get(bits)
    if (bucket === undefined) return
    this.#remove(bucket, node)
    if (bucket.nodes.length < sizeOf(bits)) {
      const spare = bucket.spares.pop()
      if (spare !== undefined) {
        bucket.nodes.push(spare)
        this.#size++
      }
    }
    if (bucket.nodes.length === 0) this.#buckets.delete(bits)
  }

  #remove(bucket: Bucket, node: Kept): void {
    this.#places.delete(placeOf(node))
    const at = bucket.nodes.indexOf(node)
    if (at >= 0) {
      bucket.nodes.splice(at, 1)
      this.#size--
    } else {
      const spare = bucket.spares.indexOf(node)
      if (spare >= 0) bucket.spares.splice(spare, 1)
    }
  }
}

function sizeOf(bits: number): number {
  return FAR_BUCKET_SIZES[bits] ?? BUCKET_SIZE
}

/** What one node may hold: an address of the world, a /64 of IPv6; elsewhere, an address and port. */
function placeOf(contact: Contact, ip = bytesOfHost(contact.host)): string {
  if (ip === undefined || realmOf(contact.host) !== 'public') return whereIs(contact)
  return ip.length === 4 ? contact.host : Buffer.from(ip.subarray(0, 8)).toString('hex')
}

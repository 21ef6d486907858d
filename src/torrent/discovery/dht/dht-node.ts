/**
 * A DHT node of one address family: asks, answers, walks, and keeps its table. BEP 5, 32, 42, 43.
 *
 * Pure but for what it is given: it has no socket, no clock and no chance of its own, so that hundreds of them can be played on
 * a virtual network. Owns the table, the peers announced to it and its queries. Whatever datagram comes, it neither throws
 * nor keeps more than its caps allow.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { realmOf } from '../../net/ip-address.js'
import { bytesOfHost } from '../../net/ip-bytes.js'
import { Answers } from './answers.js'
import { familyOf, isBelievable, whereIs, type Contact, type Family } from './contact.js'
import { Bucket, FlowLimit } from './flow-limit.js'
import {
  decodeKrpc,
  encodeQuery,
  mayBeKrpc,
  type KrpcFailure,
  type KrpcQuery,
  type KrpcReply,
} from './krpc.js'
import type { OwnQuery } from './krpc.js'
import type { Announceable, Candidate } from './lookup.js'
import { compareDistance, ID_LENGTH, isSecureId, secureId } from './node-id.js'
import { OwnAddress } from './own-address.js'
import { PeerStore } from './peer-store.js'
import { RoutingTable } from './routing-table.js'
import { TableCare } from './table-care.js'
import { Tokens } from './tokens.js'
import { Transactions, type Outcome } from './transactions.js'
import { Walk, type WalkNode, type WalkOptions } from './walk.js'

export interface DhtNodeOptions {
  readonly family: Family
  /** 20 bytes; by default random ones. One that does not fit our address is changed when that is known (BEP 42). */
  readonly id?: Uint8Array
  readonly send: (bytes: Uint8Array, to: HostPort) => void
  /** Gives so many random bytes. */
  readonly random: (bytes: number) => Uint8Array
  /** Whether an address may be spoken to at all. Default: every one. */
  readonly allows?: (host: string) => boolean
  /** The node of the other family, if there is one. */
  readonly sibling?: () => DhtNode | undefined
}

/** Nodes of the table a walk begins with. */
const SEEDS = 16
/** With fewer good nodes than this, routers are asked beside them. */
const FEW_NODES = 8
const MAX_KNOWN = 50
/** Pings to nodes that others tell of. */
const PINGS = { burst: 16, perSecond: 4 }

type Answer = KrpcReply | KrpcFailure

export class DhtNode implements WalkNode {
  readonly family: Family
  readonly table: RoutingTable
  readonly peers = new PeerStore()
  readonly #o: DhtNodeOptions
  readonly #queries: Transactions<Answer>
  readonly #answers: Answers
  readonly #flow: FlowLimit
  readonly #address: OwnAddress
  readonly #pings: Bucket
  readonly #care: TableCare
  #routers: readonly HostPort[] = []

  constructor(options: DhtNodeOptions, now: number) {
    const { family, random, sibling } = options
    this.#o = options
    this.family = family
    this.table = new RoutingTable(options.id ?? random(ID_LENGTH))
    this.#queries = new Transactions(random)
    this.#flow = new FlowLimit(now)
    this.#address = new OwnAddress(now)
    this.#pings = new Bucket(PINGS, now)
    this.#care = new TableCare(this, random)
    this.#answers = new Answers({
      family,
      table: this.table,
      peers: this.peers,
      tokens: new Tokens(random, now),
      others: target => sibling?.()?.table.closest(target, FEW_NODES) ?? [],
      random,
    })
  }

  get id(): Uint8Array {
    return this.table.own
  }

  /** Our address as other nodes see it; undefined while too few have said so. */
  get seenAs(): string | undefined {
    return this.#address.seenAs
  }

  /** Queries under way. */
  get asking(): number {
    return this.#queries.size
  }

  /** Whether there is anybody to ask. */
  get usable(): boolean {
    return this.table.size > 0 || this.#routers.length > 0
  }

  /** Whether the node knows so few that routers are to be asked. */
  get lonely(): boolean {
    return this.table.closest(this.id, FEW_NODES).length < FEW_NODES
  }

  /** Names nodes to begin with, IP literals of this family, and begins. They are asked while the table knows few others. */
  bootstrap(routers: readonly HostPort[], now: number): void {
    this.#routers = routers.filter(({ host }) => familyOf(host) === this.family)
    this.#care.begin(now)
  }

  /** Keeps nodes of an earlier life, to be asked first. */
  restore(contacts: readonly Contact[], now: number): void {
    for (const contact of contacts) {
      if (familyOf(contact.host) === this.family && this.#allows(contact.host))
        this.table.remember(contact, now)
    }
  }

  /** Takes a datagram that was received. Whatever is no message, or unasked for, is dropped. */
  receive(bytes: Uint8Array, from: HostPort, now: number): void {
    if (from.port === 0 || familyOf(from.host) !== this.family || !mayBeKrpc(bytes)) return
    if (!this.#queries.expects(from) && !this.#flow.admits(from.host, now)) return
    if (!this.#allows(from.host)) return
    const message = decodeKrpc(bytes)
    if (message === undefined) return
    if (message.type === 'query') this.#asked(message, from, now)
    else this.#queries.take(message.transaction, from, now)?.answered(message, now)
  }

  /** Lets time pass. To be called when {@link wakeAt} says so, and at any other time. */
  tick(now: number): void {
    this.#queries.expire(now)
    this.#care.tick(now)
  }

  /** When {@link tick} must be called next. */
  wakeAt(now: number): number {
    return this.#queries.size > 0 ? now + 25 : this.#care.nextAt
  }

  ask(candidate: Candidate, query: OwnQuery, outcome: Outcome<KrpcReply>, now: number): boolean {
    const { where, id } = candidate
    if (!this.#allows(where.host)) return false
    const transaction = this.#queries.begin(
      where,
      {
        answered: (answer, at) => this.#answered(candidate, answer, outcome, at),
        ...(outcome.late === undefined ? {} : { late: at => outcome.late?.(at) }),
        failed: at => {
          if (id !== undefined) this.table.failed({ id, ...where })
          outcome.failed(at)
        },
      },
      now,
    )
    if (transaction === undefined) return false
    const readOnly = this.#address.isUnreachable(now)
    this.#address.spokeTo(where)
    this.#o.send(encodeQuery(query, { transaction, id: this.id, readOnly }), where)
    return true
  }

  /** Whether a node answers there. `done` gets its id, or undefined. */
  ping(where: HostPort, now: number, done?: (id: Uint8Array | undefined, now: number) => void): void {
    const outcome = {
      answered: (reply: KrpcReply, at: number) => done?.(reply.id, at),
      failed: (at: number) => done?.(undefined, at),
    }
    if (!this.ask({ where, id: undefined }, { method: 'ping' }, outcome, now)) done?.(undefined, now)
  }

  /** Hears of an address where a node may be; it is asked if there is use for another. */
  heardOf(where: HostPort, now: number): void {
    if (familyOf(where.host) === this.family && this.#pings.take(1, now)) this.ping(where, now)
  }

  /** Hears of a node; it is asked if the table has room for it. */
  heardOfNode(contact: Contact, now: number): void {
    if (familyOf(contact.host) !== this.family || !this.table.hasRoom(contact) || !this.#pings.take(1, now))
      return
    const { id, host, port } = contact
    this.ask({ where: { host, port }, id }, { method: 'ping' }, { answered() {}, failed() {} }, now)
  }

  /** Peers of a torrent that were announced to this very node. */
  known(infohash: Uint8Array, now: number): readonly HostPort[] {
    return this.peers.get(infohash, MAX_KNOWN, 0, now)
  }

  /** Begins a lookup from the nearest nodes that are known. */
  walk(options: Omit<WalkOptions, 'wants'>, now: number): Walk {
    const wants: readonly Family[] = this.#o.sibling?.() === undefined ? [] : [4, 6]
    const walk = new Walk(this, { ...options, wants })
    const { target } = options
    const seeds = this.table.closest(target, SEEDS, 1)
    walk.lookup.add(seeds.length < FEW_NODES ? this.table.closest(target, SEEDS, Infinity) : seeds)
    if (this.lonely) walk.lookup.addRouters(this.#routers)
    this.table.touched(target, now)
    walk.pump(now)
    return walk
  }

  /** Announces a peer on this host to nodes that a walk has found. */
  announce(infohash: Uint8Array, port: number, nodes: readonly Announceable[], now: number): void {
    for (const { contact, token } of nodes) {
      const { id, host, port: at } = contact
      const query = { method: 'announce_peer' as const, target: infohash, token, port }
      this.ask({ where: { host, port: at }, id }, query, { answered() {}, failed() {} }, now)
    }
  }

  believable(reply: KrpcReply, from: HostPort): readonly Contact[] {
    const realm = realmOf(from.host)
    const contacts = this.family === 4 ? reply.contacts : reply.contacts6
    return contacts.filter(
      contact => isBelievable(contact, realm) && compareDistance(this.id, contact.id, this.id) !== 0,
    )
  }

  believablePeers(reply: KrpcReply, from: HostPort): readonly HostPort[] {
    const realm = realmOf(from.host)
    return reply.peers.filter(peer => isBelievable(peer, realm) && this.#allows(peer.host))
  }

  #allows(host: string): boolean {
    return this.#o.allows?.(host) ?? true
  }

  #answered({ where, id }: Candidate, answer: Answer, outcome: Outcome<KrpcReply>, now: number): void {
    // An error is an answer of a node that lives; only it does not help.
    if (answer.type === 'failure') return outcome.failed(now)
    const known = { id: id ?? answer.id, host: where.host, port: where.port }
    if (compareDistance(answer.id, known.id, answer.id) !== 0) {
      this.table.failed(known, true)
      return outcome.failed(now)
    }
    if (answer.seenAs !== undefined) this.#voted(where.host, answer.seenAs, now)
    if (!this.#isRouter(where)) this.table.answered(known, now)
    const sibling = this.#o.sibling?.()
    if (sibling !== undefined) {
      const realm = realmOf(where.host)
      const others = this.family === 4 ? answer.contacts6 : answer.contacts
      for (const contact of others) if (isBelievable(contact, realm)) sibling.heardOfNode(contact, now)
    }
    outcome.answered(answer, now)
  }

  /** Routers serve beginners only: they stay out of the table, unless there is nobody else. */
  #isRouter(where: HostPort): boolean {
    const at = whereIs(where)
    return this.table.size >= FEW_NODES && this.#routers.some(router => whereIs(router) === at)
  }

  #asked(query: KrpcQuery, from: HostPort, now: number): void {
    if (compareDistance(this.id, query.id, this.id) === 0) return
    this.#address.askedBy(from)
    const reply = this.#answers.to(query, from, now)
    if (this.#flow.maySend(reply.length, now)) this.#o.send(reply, from)
    if (!query.readOnly) this.heardOfNode({ id: query.id, host: from.host, port: from.port }, now)
  }

  #voted(voter: string, host: string, now: number): void {
    if (familyOf(host) !== this.family || !this.#address.vote(voter, host)) return
    const ip = bytesOfHost(host)
    if (ip === undefined || isSecureId(this.id, host)) return
    this.table.rebase(secureId(ip, this.#o.random(ID_LENGTH)))
    this.#care.begin(now)
  }
}

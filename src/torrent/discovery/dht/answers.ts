/**
 * What our DHT node answers to whom. BEP 5, 32, 42.
 *
 * Pure. Every query gets one short reply or error, never more than {@link MAX_REPLY} bytes, and costs no further query.
 */
import { realmOf } from '../../net/ip-address.js'
import type { Contact, Family } from './contact.js'
import { encodeFailure, encodeReply, type KrpcQuery } from './krpc.js'
import type { PeerStore } from './peer-store.js'
import { BUCKET_SIZE, type RoutingTable } from './routing-table.js'
import type { Tokens } from './tokens.js'

/** Errors of BEP 5. */
const BAD_ARGUMENTS = 203
const UNKNOWN_METHOD = 204
/** Peers in a reply; those that do not fit are left out. */
const MAX_PEERS = 100

export interface AnswersOptions {
  readonly family: Family
  readonly table: RoutingTable
  readonly peers: PeerStore
  readonly tokens: Tokens
  /** The nearest nodes of the other family, if we speak it. */
  readonly others: (target: Uint8Array) => readonly Contact[]
  readonly random: (bytes: number) => Uint8Array
}

export class Answers {
  readonly #o: AnswersOptions

  constructor(options: AnswersOptions) {
    this.#o = options
  }

  /** The bytes to send back. */
  to(query: KrpcQuery, from: { readonly host: string; readonly port: number }, now: number): Uint8Array {
    const { transaction, target } = query
    switch (query.method) {
      case 'ping':
        return encodeReply({ id: this.#id }, transaction, from)
      case 'get_peers':
        return target === undefined
          ? encodeFailure(BAD_ARGUMENTS, 'no info_hash', transaction)
          : this.#peers(query, target, from, now)
      case 'announce_peer':
        return this.#announced(query, from, now)
      default:
        // BEP 5's successors: what has a target is answered as find_node is.
        if (target !== undefined)
          return encodeReply({ id: this.#id, ...this.#contacts(query, target, from.host) }, transaction, from)
        if (query.method === 'find_node') return encodeFailure(BAD_ARGUMENTS, 'no target', transaction)
        return encodeFailure(UNKNOWN_METHOD, 'unknown method', transaction)
    }
  }

  get #id(): Uint8Array {
    return this.#o.table.own
  }

  #peers(
    query: KrpcQuery,
    target: Uint8Array,
    from: { host: string; port: number },
    now: number,
  ): Uint8Array {
    const { peers, tokens, random } = this.#o
    const chance = random(1)[0]! / 256
    const reply = {
      id: this.#id,
      token: tokens.of(from.host, now),
      peers: peers.get(target, MAX_PEERS, chance, now),
      ...this.#contacts(query, target, from.host),
    }
    return encodeReply(reply, query.transaction, from)
  }

  #announced(query: KrpcQuery, from: { host: string; port: number }, now: number): Uint8Array {
    const { transaction, target, token, impliedPort } = query
    const port = impliedPort ? from.port : query.port
    if (target === undefined || token === undefined || port === undefined)
      return encodeFailure(BAD_ARGUMENTS, 'no info_hash, token or port', transaction)
    if (!this.#o.tokens.isValid(token, from.host, now))
      return encodeFailure(BAD_ARGUMENTS, 'bad token', transaction)
    this.#o.peers.add(target, { host: from.host, port }, now)
    return encodeReply({ id: this.#id }, transaction, from)
  }

  /** Nodes near the target; to the world, those of the world alone. */
  #contacts(
    query: KrpcQuery,
    target: Uint8Array,
    asker: string,
  ): { contacts?: readonly Contact[]; contacts6?: readonly Contact[] } {
    const { family, table, others } = this.#o
    const wants = query.wants.length > 0 ? query.wants : [family]
    const world = realmOf(asker) === 'public'
    const near = (wanted: Family): Contact[] =>
      (wanted === family ? table.closest(target, BUCKET_SIZE) : others(target))
        .filter(({ host }) => !world || realmOf(host) === 'public')
        .slice(0, BUCKET_SIZE)
    return {
      ...(wants.includes(4) ? { contacts: near(4) } : {}),
      ...(wants.includes(6) ? { contacts6: near(6) } : {}),
    }
  }
}

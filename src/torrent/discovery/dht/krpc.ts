/**
 * The messages of DHT nodes as bytes: queries, replies and errors, bencoded. BEP 5, with BEP 32 (`want`, `nodes6`), 42
 * (`ip`) and 43 (`ro`).
 *
 * Owns which datagrams are messages. Whatever the bytes are, decoding neither throws nor allocates more than they hold.
 * Pure.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { encodeBencode, type BencodeInput } from '../../metainfo/bencode.js'
import { BencodeNode } from '../../metainfo/bencode-node.js'
import { BYTE_DICTIONARY, BYTE_END } from '../../metainfo/bencode-scanner.js'
import {
  COMPACT4_LENGTH,
  COMPACT6_LENGTH,
  decodeCompact4,
  decodeCompact6,
  decodeIp,
} from '../compact-addresses.js'
import {
  decodeContacts,
  encodeAddress,
  encodeContacts,
  familyOf,
  type Contact,
  type Family,
} from './contact.js'
import { ID_LENGTH } from './node-id.js'

/** The methods we ask and answer. */
export type KrpcMethod = 'ping' | 'find_node' | 'get_peers' | 'announce_peer'

/** What somebody asks. */
export interface KrpcQuery {
  readonly type: 'query'
  readonly transaction: Uint8Array
  /** {@link KrpcMethod}, or something we do not know: at most 20 characters. */
  readonly method: string
  readonly id: Uint8Array
  /** `target` or `info_hash`, whichever the method has: 20 bytes. */
  readonly target?: Uint8Array
  readonly token?: Uint8Array
  /** Where the announced peer listens, [1, 65535]; undefined with `implied_port`: where the datagram came from. */
  readonly port?: number
  readonly impliedPort: boolean
  /** Families of which contacts are wanted; empty: of that of the datagram. */
  readonly wants: readonly Family[]
  /** It answers nobody: not to be kept, nor told of (BEP 43). */
  readonly readOnly: boolean
}

/** What somebody answers. */
export interface KrpcReply {
  readonly type: 'reply'
  readonly transaction: Uint8Array
  readonly id: Uint8Array
  readonly contacts: readonly Contact[]
  readonly contacts6: readonly Contact[]
  readonly peers: readonly HostPort[]
  /** At most {@link MAX_TOKEN} bytes. */
  readonly token?: Uint8Array
  /** Where the answering node sees us (BEP 42): an IP literal. */
  readonly seenAs?: string
}

/** What somebody answers when he cannot or will not. */
export interface KrpcFailure {
  readonly type: 'failure'
  readonly transaction: Uint8Array
  readonly code: number
}

export type KrpcMessage = KrpcQuery | KrpcReply | KrpcFailure

/** Longer datagrams are none of ours: they do not pass the nets in one piece. */
export const MAX_DATAGRAM = 1472
/** What we send stays below what every network passes in one piece, IPv6's headers and tunnels counted. */
export const MAX_REPLY = 1200
/** A token longer than this is ignored: it would have to be kept, and be sent back. */
export const MAX_TOKEN = 64
const MAX_TRANSACTION = 32
const MAX_CONTACTS = 32
const MAX_PEERS = 200
const MAX_METHOD = 20
/** A message is a dictionary, its arguments are one, `values` is a list within: nothing nests deeper for a reason. */
const MAX_DEPTH = 6

/** Whether a datagram could be a message: cheap enough to ask of each. */
export function mayBeKrpc(bytes: Uint8Array): boolean {
  if (bytes.length < 12 || bytes.length > MAX_DATAGRAM) return false
  return bytes[0] === BYTE_DICTIONARY && bytes[bytes.length - 1] === BYTE_END
}

/** Reads a datagram; undefined when it is no message. Shares no memory with `bytes`. */
export function decodeKrpc(bytes: Uint8Array): KrpcMessage | undefined {
  if (!mayBeKrpc(bytes)) return undefined
  let root: BencodeNode
  try {
    root = BencodeNode.scan(bytes, { maxDepth: MAX_DEPTH }).root
  } catch {
    return undefined
  }
  const keys = root.pick(['a', 'e', 'ip', 'q', 'r', 'ro', 't', 'y'])
  const transaction = copyOf(keys.t?.bytes, 1, MAX_TRANSACTION)
  if (transaction === undefined) return undefined
  switch (shortText(keys.y, 1)) {
    case 'q':
      return decodeQuery(transaction, keys.q, keys.a, keys.ro)
    case 'r':
      return decodeReply(transaction, keys.r, keys.ip)
    case 'e':
      return decodeFailure(transaction, keys.e)
    default:
      return undefined
  }
}

/** A query of ours. */
export interface OwnQuery {
  readonly method: KrpcMethod
  /** Of `find_node`, `get_peers` and `announce_peer`. */
  readonly target?: Uint8Array
  readonly wants?: readonly Family[]
  readonly token?: Uint8Array
  /** Of `announce_peer`. */
  readonly port?: number
}

export function encodeQuery(
  { method, target, wants, token, port }: OwnQuery,
  { transaction, id, readOnly }: { transaction: Uint8Array; id: Uint8Array; readOnly: boolean },
): Uint8Array {
  const a: Record<string, BencodeInput> = { id }
  if (target !== undefined) a[method === 'find_node' ? 'target' : 'info_hash'] = target
  if (wants !== undefined && wants.length > 0) a['want'] = wants.map(family => `n${family}`)
  if (token !== undefined) a['token'] = token
  if (port !== undefined) {
    a['port'] = port
    a['implied_port'] = 0
  }
  return encodeBencode({ a, q: method, ...(readOnly ? { ro: 1 } : {}), t: transaction, y: 'q' })
}

/** A reply of ours. Peers that do not fit into {@link MAX_REPLY} bytes are left out. */
export interface OwnReply {
  readonly id: Uint8Array
  readonly contacts?: readonly Contact[]
  readonly contacts6?: readonly Contact[]
  readonly peers?: readonly HostPort[]
  readonly token?: Uint8Array
}

/** @param to whom we answer: he learns where we see him */
export function encodeReply(reply: OwnReply, transaction: Uint8Array, to: HostPort): Uint8Array {
  const { id, contacts, contacts6, peers, token } = reply
  const r: Record<string, BencodeInput> = { id }
  if (contacts !== undefined) r['nodes'] = encodeContacts(contacts, 4)
  if (contacts6 !== undefined) r['nodes6'] = encodeContacts(contacts6, 6)
  if (token !== undefined) r['token'] = token
  const ip = encodeAddress(to, familyOf(to.host))
  const message = { ...(ip === undefined ? {} : { ip }), r, t: transaction, y: 'r' }
  if (peers === undefined || peers.length === 0) return encodeBencode(message)
  let room = MAX_REPLY - encodeBencode(message).length - '6:values'.length - 'le'.length
  const values: Uint8Array[] = []
  for (const peer of peers) {
    const value = encodeAddress(peer, familyOf(peer.host))
    if (value === undefined) continue
    room -= value.length + (value.length < 10 ? 2 : 3)
    if (room < 0) break
    values.push(value)
  }
  if (values.length > 0) r['values'] = values
  return encodeBencode(message)
}

export function encodeFailure(code: number, message: string, transaction: Uint8Array): Uint8Array {
  return encodeBencode({ e: [code, message], t: transaction, y: 'e' })
}

function decodeQuery(
  transaction: Uint8Array,
  q: BencodeNode | undefined,
  a: BencodeNode | undefined,
  ro: BencodeNode | undefined,
): KrpcQuery | undefined {
  const method = shortText(q, MAX_METHOD)
  if (method === undefined || a?.kind !== 'dictionary') return undefined
  const keys = a.pick(['id', 'implied_port', 'info_hash', 'port', 'target', 'token', 'want'])
  const id = copyOf(keys.id?.bytes, ID_LENGTH, ID_LENGTH)
  if (id === undefined) return undefined
  const target = copyOf((keys.info_hash ?? keys.target)?.bytes, ID_LENGTH, ID_LENGTH)
  const token = copyOf(keys.token?.bytes, 1, MAX_TOKEN)
  const port = keys.port?.size
  return {
    type: 'query',
    transaction,
    method,
    id,
    ...(target === undefined ? {} : { target }),
    ...(token === undefined ? {} : { token }),
    ...(port !== undefined && port > 0 && port < 65536 ? { port } : {}),
    impliedPort: (keys.implied_port?.size ?? 0) > 0,
    wants: wantsOf(keys.want),
    readOnly: (ro?.size ?? 0) > 0,
  }
}

function wantsOf(node: BencodeNode | undefined): Family[] {
  const wants = new Set<Family>()
  for (const item of node?.items() ?? []) {
    const text = shortText(item, 2)
    if (text === 'n4') wants.add(4)
    else if (text === 'n6') wants.add(6)
    if (wants.size === 2) break
  }
  return [...wants]
}

function decodeReply(
  transaction: Uint8Array,
  r: BencodeNode | undefined,
  ip: BencodeNode | undefined,
): KrpcReply | undefined {
  if (r?.kind !== 'dictionary') return undefined
  const keys = r.pick(['id', 'nodes', 'nodes6', 'token', 'values'])
  const id = copyOf(keys.id?.bytes, ID_LENGTH, ID_LENGTH)
  if (id === undefined) return undefined
  const token = copyOf(keys.token?.bytes, 1, MAX_TOKEN)
  const seenAs = ip?.bytes === undefined ? undefined : seenAddress(ip.bytes)
  return {
    type: 'reply',
    transaction,
    id,
    contacts: contactsOf(keys.nodes, 4),
    contacts6: contactsOf(keys.nodes6, 6),
    peers: peersOf(keys.values),
    ...(token === undefined ? {} : { token }),
    ...(seenAs === undefined ? {} : { seenAs }),
  }
}

function contactsOf(node: BencodeNode | undefined, family: Family): Contact[] {
  const bytes = node?.bytes
  return bytes === undefined ? [] : decodeContacts(bytes, family, MAX_CONTACTS)
}

function peersOf(node: BencodeNode | undefined): HostPort[] {
  const peers: HostPort[] = []
  for (const item of node?.items() ?? []) {
    const { bytes } = item
    if (bytes?.length === COMPACT4_LENGTH) peers.push(...decodeCompact4(bytes, 1))
    else if (bytes?.length === COMPACT6_LENGTH) peers.push(...decodeCompact6(bytes, 1))
    if (peers.length >= MAX_PEERS) break
  }
  return peers
}

/** With or without a port behind it: both are sent. */
function seenAddress(bytes: Uint8Array): string | undefined {
  const withPort = bytes.length === COMPACT4_LENGTH || bytes.length === COMPACT6_LENGTH
  return decodeIp(withPort ? bytes.subarray(0, -2) : bytes)
}

function decodeFailure(transaction: Uint8Array, e: BencodeNode | undefined): KrpcFailure {
  const [code] = e?.items() ?? []
  return { type: 'failure', transaction, code: code?.size ?? 0 }
}

function copyOf(bytes: Uint8Array | undefined, least: number, most: number): Uint8Array | undefined {
  if (bytes === undefined || bytes.length < least || bytes.length > most) return undefined
  return Uint8Array.from(bytes)
}

function shortText(node: BencodeNode | undefined, most: number): string | undefined {
  const bytes = node?.bytes
  if (bytes === undefined || bytes.length === 0 || bytes.length > most) return undefined
  return String.fromCharCode(...bytes)
}

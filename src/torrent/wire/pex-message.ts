/**
 * The message in which peers tell of other peers: the extension `ut_pex`. BEP 11.
 *
 * Pure. Everything in it is a stranger's claim: fields of a wrong type count as absent, and of many addresses the first
 * are read.
 */
import { encodeBencode } from '../metainfo/bencode.js'
import type { HostPort } from '../metainfo/addresses.js'
import { readDictionary } from './bencoded.js'
import { compactAddress, readCompactAddress } from './compact-address.js'

/** The name of the extension in an extension handshake. */
export const PEX_EXTENSION = 'ut_pex'

/** Addresses of one kind in one message, IPv4 and IPv6 together: what BEP 11 allows us to send. */
export const MAX_PEX_SENT = 50
/** Addresses of one kind that are read of one message; some clients send more than they may. */
export const MAX_PEX_READ = 200

/** What is told of a peer, as bits of its flags. */
export const PexFlag = {
  prefersEncryption: 0x01,
  uploadOnly: 0x02,
  utp: 0x04,
  holepunch: 0x08,
  /** The sender of the message called it: it can be reached. */
  outgoing: 0x10,
} as const

/** A peer that is told of. */
export interface PexPeer {
  readonly address: HostPort
  /** Bits of {@link PexFlag}; others may be set. */
  readonly flags: number
}

/** Which peers came and went (BEP 11). */
export interface PexMessage {
  /** Connected since the last message. */
  readonly added: readonly PexPeer[]
  /** No longer connected. */
  readonly dropped: readonly HostPort[]
}

/** The payload of a message, newly allocated. Addresses that are names are left out. */
export function encodePexMessage({ added, dropped }: PexMessage): Uint8Array {
  const by4: number[] = []
  const by6: number[] = []
  const flags4: number[] = []
  const flags6: number[] = []
  const dropped4: number[] = []
  const dropped6: number[] = []
  for (const { address, flags } of added) {
    const bytes = compactAddress(address)
    if (bytes === undefined) continue
    const isIPv4 = bytes.length === 6
    ;(isIPv4 ? by4 : by6).push(...bytes)
    ;(isIPv4 ? flags4 : flags6).push(flags)
  }
  for (const address of dropped) {
    const bytes = compactAddress(address)
    if (bytes !== undefined) (bytes.length === 6 ? dropped4 : dropped6).push(...bytes)
  }
  // Clients read the IPv4 fields without asking whether they are there.
  return encodeBencode({
    added: Uint8Array.from(by4),
    'added.f': Uint8Array.from(flags4),
    added6: by6.length === 0 ? undefined : Uint8Array.from(by6),
    'added6.f': by6.length === 0 ? undefined : Uint8Array.from(flags6),
    dropped: Uint8Array.from(dropped4),
    dropped6: dropped6.length === 0 ? undefined : Uint8Array.from(dropped6),
  })
}

/** Reads the payload of a message. @throws ProtocolError when it is not a bencoded dictionary */
export function decodePexMessage(payload: Uint8Array): PexMessage {
  const { root } = readDictionary(payload, true)
  const fields = root.pick(['added', 'added.f', 'added6', 'added6.f', 'dropped', 'dropped6'])
  const added: PexPeer[] = []
  const dropped: HostPort[] = []
  readPeers(added, fields.added?.bytes, fields['added.f']?.bytes, 6)
  readPeers(added, fields.added6?.bytes, fields['added6.f']?.bytes, 18)
  readAddresses(fields.dropped?.bytes, 6, MAX_PEX_READ, address => dropped.push(address))
  readAddresses(fields.dropped6?.bytes, 18, MAX_PEX_READ - dropped.length, address => dropped.push(address))
  return { added, dropped }
}

function readPeers(
  peers: PexPeer[],
  bytes: Uint8Array | undefined,
  flags: Uint8Array | undefined,
  size: number,
): void {
  readAddresses(bytes, size, MAX_PEX_READ - peers.length, (address, index) => {
    peers.push({ address, flags: flags?.[index] ?? 0 })
  })
}

/** A remainder is ignored. */
function readAddresses(
  bytes: Uint8Array | undefined,
  size: number,
  limit: number,
  found: (address: HostPort, index: number) => void,
): void {
  const count = Math.min(limit, Math.floor((bytes?.length ?? 0) / size))
  for (let index = 0; index < count; index++) found(readCompactAddress(bytes!, index * size, size), index)
}

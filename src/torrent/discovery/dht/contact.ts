/**
 * Where DHT nodes are: contacts, their compact form of 26 bytes (BEP 5) or 38 (BEP 32), and which are worth believing.
 *
 * Pure.
 */
import type { HostPort } from '../../metainfo/addresses.js'
import { mayLead, realmOf, type Realm } from '../../net/ip-address.js'
import { bytesOfHost } from '../../net/ip-bytes.js'
import { COMPACT4_LENGTH, COMPACT6_LENGTH, decodeCompact4, decodeCompact6 } from '../compact-addresses.js'
import { ID_LENGTH } from './node-id.js'

export type Family = 4 | 6

/** A node somebody told of: its id and where it is. `host` is a canonical IP literal. */
export interface Contact extends HostPort {
  /** 20 bytes; never changed. */
  readonly id: Uint8Array
}

/** One spelling for each address. */
export function whereIs({ host, port }: HostPort): string {
  return `${host} ${port}`
}

export function familyOf(host: string): Family {
  return host.includes(':') ? 6 : 4
}

/**
 * Whether an address is believed when a node of the realm `teller` names it: one of the world that names hosts of our own network,
 * or our own machine, would have us knock at doors that are none of its business.
 */
export function isBelievable({ host }: HostPort, teller: Realm): boolean {
  return mayLead(teller, realmOf(host))
}

/** The compact form of an address, 6 or 18 bytes; undefined when its host is no IP literal of that family. */
export function encodeAddress({ host, port }: HostPort, family: Family): Uint8Array | undefined {
  const ip = bytesOfHost(host)
  const length = family === 4 ? COMPACT4_LENGTH : COMPACT6_LENGTH
  if (ip?.length !== length - 2) return undefined
  const bytes = new Uint8Array(length)
  bytes.set(ip)
  bytes[length - 2] = port >>> 8
  bytes[length - 1] = port
  return bytes
}

/** The compact form of contacts, one behind the other; those of another family are left out. */
export function encodeContacts(contacts: readonly Contact[], family: Family): Uint8Array {
  const size = contactLength(family)
  const bytes = new Uint8Array(contacts.length * size)
  let at = 0
  for (const contact of contacts) {
    const address = encodeAddress(contact, family)
    if (address === undefined) continue
    bytes.set(contact.id, at)
    bytes.set(address, at + ID_LENGTH)
    at += size
  }
  return bytes.subarray(0, at)
}

/** Decodes at most `limit` contacts; those that nobody can send to and a remainder are left out. Copies. */
export function decodeContacts(bytes: Uint8Array, family: Family, limit: number): Contact[] {
  const size = contactLength(family)
  const decode = family === 4 ? decodeCompact4 : decodeCompact6
  const contacts: Contact[] = []
  for (let at = 0; at + size <= bytes.length && contacts.length < limit; at += size) {
    const [address] = decode(bytes.subarray(at + ID_LENGTH, at + size), 1)
    if (address === undefined || familyOf(address.host) !== family) continue
    contacts.push({ id: Uint8Array.from(bytes.subarray(at, at + ID_LENGTH)), ...address })
  }
  return contacts
}

function contactLength(family: Family): number {
  return ID_LENGTH + (family === 4 ? COMPACT4_LENGTH : COMPACT6_LENGTH)
}

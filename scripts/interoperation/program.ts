/**
 * A program that speaks BitTorrent, as the matrix drives it: started with traits, given a torrent to seed or to take.
 */
import type { TestTorrent } from '../../test/support/content.js'
import type { Host } from '../../test/support/network.js'
import type { Scope } from '../../test/support/scope.js'

/** What the matrix asks of every program. */
export const COLUMNS = [
  'seeds to us',
  'leeches from us',
  'magnet',
  'DHT only',
  'PEX only',
  'LSD only',
  'uTP only',
  'encrypted',
  'IPv6',
  'fast',
] as const
export type Column = (typeof COLUMNS)[number]

/** How a program is to behave. What is not named is off. */
export interface Traits {
  /** A DHT node to begin with. */
  readonly dht?: { readonly host: string; readonly port: number }
  readonly pex?: boolean
  readonly lsd?: boolean
  /** uTP and TCP; else TCP alone. */
  readonly utp?: boolean
  /** Takes and makes encrypted connections alone; else both kinds. */
  readonly encrypted?: boolean
  /** Listens at its IPv6 address; else at its IPv4 address. */
  readonly ipv6?: boolean
  /** Bytes/s it downloads at most. */
  readonly downloadLimit?: number
}

/** A running program. It ends with the scope it was started in. */
export interface Running {
  readonly host: string
  readonly port: number
  /** Seeds content that lies below `torrent.source`; `torrent.file` names its trackers and nodes. */
  seed(torrent: TestTorrent): Promise<void>
  /** Downloads into a folder, which is there. */
  leech(source: Source, folder: string): Promise<void>
  /** What it printed or knows, for messages of failures. */
  log(): Promise<string> | string
}

/** What a download begins with. */
export type Source = { readonly torrent: string } | { readonly magnet: string }

export interface Program {
  readonly name: string
  /** Why there is nothing to try in a column. */
  readonly lacks: Readonly<Partial<Record<Column, string>>>
  /** Takes what peers say of peers (BEP 11), and says nothing itself. */
  readonly hearsOfPeersOnly?: boolean
  /** Undefined if it can run here, else what is missing. */
  whyNot(): string | undefined
  version(): string
  start(scope: Scope, host: Host, traits: Traits): Promise<Running>
}

export const KiB = 1024

/** The address a program listens at. */
export function addressOf(host: Host, traits: Traits): string {
  return traits.ipv6 === true ? host.address6 : host.address
}

/** The address as it stands in front of a port. */
export function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

/** The argument that a command line wants for a source. */
export function argumentOf(source: Source): string {
  return 'torrent' in source ? source.torrent : source.magnet
}

/**
 * Extensions of the wire protocol that the user of the library brings along. BEP 10.
 *
 * Owns the rules they are under: names, sizes, and what becomes of their mistakes. They may not take down a connection by
 * throwing, and what a peer sends to them is capped before they see it.
 */
import type { PeerNumber } from './core/events.js'
import { messageOf, TorrentError } from './errors.js'
import type { Extension } from './extensions/extension.js'
import type { ExtensionPeer } from './extensions/extension-peer.js'
import type { Logger } from './logger.js'
import { formatAddress } from './peer/address.js'
import type { Torrent } from './torrent.js'
import { DONT_HAVE_EXTENSION } from './wire/dont-have-message.js'
import { HOLEPUNCH_EXTENSION } from './wire/holepunch-message.js'
import { MAX_EXTENDED_LENGTH } from './wire/messages.js'
import { METADATA_EXTENSION } from './wire/metadata-message.js'
import { PEX_EXTENSION } from './wire/pex-message.js'
import { ProtocolError } from './wire/protocol-error.js'
import { UPLOAD_ONLY_EXTENSION } from './wire/upload-only-message.js'

/** An extension of the wire protocol, for all torrents of a client. What its functions throw is logged, and no more. */
export interface CustomExtension {
  /** As peers know it: 1 to 64 printable ASCII characters. By custom two letters and an underscore come first: `xy_chat`. */
  readonly name: string
  /**
   * The longest message that is taken, in bytes; who sends a longer one is disconnected. Default: 16 KiB. At most
   * {@link MAX_EXTENSION_MESSAGE}.
   */
  readonly maxMessageBytes?: number
  /** A peer says that it takes this extension too: from now on something can be sent to it. Once for each peer. */
  onHandshake?(peer: ExtensionChannel): void
  /** A peer sent a message. Anyone can be a peer: nothing in it is to be trusted. The bytes are the receiver's to keep. */
  onMessage(peer: ExtensionChannel, bytes: Uint8Array): void
  /** A peer that was told of is gone. */
  onClose?(peer: ExtensionChannel): void
}

/** A connected peer of a torrent, as an extension sees it. It ends with the connection. */
export interface ExtensionChannel {
  readonly torrent: Torrent
  /** `host:port`. */
  readonly address: string
  /** What its program calls itself, if it said so. */
  readonly client: string | undefined
  /** It connected to us. */
  readonly incoming: boolean
  readonly closed: boolean
  /**
   * Sends a message.
   *
   * @param bytes - copied; at most {@link MAX_EXTENSION_MESSAGE}
   * @returns false when it was not sent: the peer is gone, does not take the extension, or has not read for so long that
   * {@link MAX_EXTENSION_BACKLOG} bytes wait for it
   * @throws ERR_TORRENTFS_ARGUMENT for what is too long
   */
  send(bytes: Uint8Array): boolean
  /** Closes the connection; with `ban` its address is not called or let in again. */
  disconnect(reason: string, options?: { readonly ban?: boolean }): void
}

/** The longest message of an extension, in bytes. */
export const MAX_EXTENSION_MESSAGE = MAX_EXTENDED_LENGTH - 1
/** When so many bytes wait for a peer, nothing is added. */
export const MAX_EXTENSION_BACKLOG = 1024 * 1024

const MAX_MESSAGE_BYTES = 16 * 1024
/** More would leave none for others in a peer's table. */
const MOST = 32
/** Ours begin at 1. */
const FIRST_ID = 32
const OWN_NAMES: readonly string[] = [
  METADATA_EXTENSION,
  PEX_EXTENSION,
  HOLEPUNCH_EXTENSION,
  DONT_HAVE_EXTENSION,
  UPLOAD_ONLY_EXTENSION,
]

/** @throws ERR_TORRENTFS_ARGUMENT naming the option and what is wrong */
export function checkExtensions(option: string, value: unknown): void {
  if (!Array.isArray(value)) throw wrong(option, 'a list is needed')
  if (value.length > MOST) throw wrong(option, `more than ${MOST}`)
  const names = new Set<string>(OWN_NAMES)
  for (const [index, item] of (value as (Partial<CustomExtension> | null)[]).entries()) {
    const where = `${option}[${index}]`
    const { name, maxMessageBytes: most = MAX_MESSAGE_BYTES, onMessage } = item ?? {}
    if (typeof name !== 'string' || !/^[!-~]{1,64}$/.test(name))
      throw wrong(`${where}.name`, '1 to 64 printable ASCII characters are needed')
    if (names.has(name)) throw wrong(`${where}.name`, `${name} is taken`)
    names.add(name)
    if (typeof onMessage !== 'function') throw wrong(`${where}.onMessage`, 'a function is needed')
    if (!Number.isInteger(most) || most < 1 || most > MAX_EXTENSION_MESSAGE)
      throw wrong(`${where}.maxMessageBytes`, `a whole number from 1 to ${MAX_EXTENSION_MESSAGE} is needed`)
  }
}

export interface CustomExtensionsOptions {
  readonly extensions: readonly CustomExtension[]
  readonly torrent: Torrent
  readonly drop: (peer: PeerNumber, reason: string, ban: boolean) => void
  readonly logger: Logger
}

/** Those of one torrent. */
export class CustomExtensions {
  readonly #o: CustomExtensionsOptions
  /** By name of the extension: who takes it. */
  readonly #channels = new Map<string, Map<ExtensionPeer, Channel>>()

  constructor(options: CustomExtensionsOptions) {
    this.#o = options
  }

  /** As the registry of extensions wants them. */
  extensions(): Extension[] {
    return this.#o.extensions.map((custom, index) => this.#extension(custom, FIRST_ID + index))
  }

  /** The peers that take an extension. */
  *peers(name: string): Generator<ExtensionChannel, void, undefined> {
    for (const [peer, channel] of this.#channels.get(name) ?? []) if (peer.takes(name)) yield channel
  }

  #extension(custom: CustomExtension, id: number): Extension {
    const { name, maxMessageBytes: most = MAX_MESSAGE_BYTES } = custom
    const channels = new Map<ExtensionPeer, Channel>()
    this.#channels.set(name, channels)
    const channelOf = (peer: ExtensionPeer): Channel => {
      let channel = channels.get(peer)
      if (channel === undefined) channels.set(peer, (channel = new Channel(peer, name, this.#o)))
      return channel
    }
    return {
      name,
      id,
      greeted: peer => {
        if (!peer.takes(name)) return
        const channel = channelOf(peer)
        if (channel.told) return
        channel.told = true
        this.#call(name, () => custom.onHandshake?.(channel))
      },
      receive: (peer, payload) => {
        if (payload.length > most) throw new ProtocolError(`a message of ${name} of ${payload.length} bytes`)
        // It may send before it says what it takes.
        const channel = channelOf(peer)
        this.#call(name, () => custom.onMessage(channel, payload))
      },
      gone: peer => {
        const channel = channels.get(peer)
        if (channel === undefined) return
        channels.delete(peer)
        channel.closed = true
        this.#call(name, () => custom.onClose?.(channel))
      },
    }
  }

  #call(name: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#o.logger.error({ extension: name, error: messageOf(error) }, 'an extension failed')
    }
  }
}

class Channel implements ExtensionChannel {
  readonly torrent: Torrent
  readonly address: string
  readonly incoming: boolean
  closed = false
  /** The user knows that it takes the extension. */
  told = false
  readonly #peer: ExtensionPeer
  readonly #name: string
  readonly #drop: CustomExtensionsOptions['drop']

  constructor(peer: ExtensionPeer, name: string, { torrent, drop }: CustomExtensionsOptions) {
    this.torrent = torrent
    this.address = formatAddress(peer.address)
    this.incoming = peer.connection.incoming
    this.#peer = peer
    this.#name = name
    this.#drop = drop
  }

  get client(): string | undefined {
    return this.#peer.client
  }

  send(bytes: Uint8Array): boolean {
    if (bytes.length > MAX_EXTENSION_MESSAGE) {
      throw new TorrentError(
        'ERR_TORRENTFS_ARGUMENT',
        `${this.#name}: ${bytes.length} bytes are more than a message may have (${MAX_EXTENSION_MESSAGE})`,
      )
    }
    if (this.closed || !this.#peer.takes(this.#name)) return false
    if (this.#peer.connection.sendBacklog > MAX_EXTENSION_BACKLOG) return false
    this.#peer.send(this.#name, bytes)
    return true
  }

  disconnect(reason: string, { ban = false }: { readonly ban?: boolean } = {}): void {
    if (!this.closed) this.#drop(this.#peer.number, reason, ban)
  }
}

function wrong(where: string, what: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `${where}: ${what}`)
}

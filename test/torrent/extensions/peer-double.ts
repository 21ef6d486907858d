/** A connected peer without a connection: what is sent to it is kept. */
import { ExtensionPeer } from '../../../src/torrent/extensions/extension-peer.js'
import { toPeerAddress } from '../../../src/torrent/peer/address.js'
import type { ExtensionHandshake } from '../../../src/torrent/wire/extension.js'

export interface PeerDouble {
  readonly peer: ExtensionPeer
  /** Payloads of extended messages, in order. */
  readonly sent: Uint8Array[]
}

let number = 1

/** @param greeting - what it says in its extension handshake; every extension is number 9 to it */
export function peerDouble(
  host: string,
  port: number,
  extensions: readonly string[],
  greeting: Partial<ExtensionHandshake> = {},
  incoming = false,
): PeerDouble {
  const sent: Uint8Array[] = []
  const address = toPeerAddress({ host, port })
  const peer = new ExtensionPeer({
    number: number++,
    connection: {
      address,
      incoming,
      kind: 'tcp',
      protection: 'plain',
      sendBacklog: 0,
      extended: (_id, payload) => sent.push(payload),
    },
    called: incoming ? undefined : address,
  })
  peer.note({ extensions: new Map(extensions.map(name => [name, 9])), ...greeting })
  return { peer, sent }
}

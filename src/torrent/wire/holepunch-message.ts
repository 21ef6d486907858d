/**
 * The message that lets two peers behind routers connect through a third: the extension `ut_holepunch`. BEP 55.
 *
 * Pure.
 */
import type { HostPort } from '../metainfo/addresses.js'
import { compactAddress, readCompactAddress } from './compact-address.js'
import { ProtocolError } from './protocol-error.js'

/** The name of the extension in an extension handshake. */
export const HOLEPUNCH_EXTENSION = 'ut_holepunch'

/** Why a rendezvous cannot be. */
export const HolepunchError = { noSuchPeer: 1, notConnected: 2, noSupport: 3, noSelf: 4 } as const

/** `rendezvous`: connect us; `connect`: connect to it, now; `error`: that cannot be, with a code of the sender's choice. */
export type HolepunchMessage =
  | { readonly type: 'rendezvous' | 'connect'; readonly address: HostPort }
  | { readonly type: 'error'; readonly address: HostPort; readonly code: number }

const TYPES = ['rendezvous', 'connect', 'error'] as const
/** Kinds of message and address; port and error code follow the address. */
const HEAD_LENGTH = 2
const CODE_LENGTH = 4

/** The payload of a message, newly allocated; undefined when the host is a name. */
export function encodeHolepunch(message: HolepunchMessage): Uint8Array | undefined {
  const address = compactAddress(message.address)
  if (address === undefined) return undefined
  const payload = new Uint8Array(HEAD_LENGTH + address.length + CODE_LENGTH)
  payload[0] = TYPES.indexOf(message.type)
  payload[1] = address.length === 6 ? 0 : 1
  payload.set(address, HEAD_LENGTH)
  const code = message.type === 'error' ? message.code : 0
  new DataView(payload.buffer).setUint32(HEAD_LENGTH + address.length, code)
  return payload
}

/**
 * Reads the payload of a message; the port may be 0. Undefined for a type that is not known, which is to be ignored.
 *
 * @throws ProtocolError when it is not a message of the extension
 */
export function decodeHolepunch(payload: Uint8Array): HolepunchMessage | undefined {
  const [kind, family] = payload
  if (kind === undefined || family === undefined)
    throw new ProtocolError('a holepunch message without a type')
  const type = TYPES[kind]
  if (type === undefined) return undefined
  if (family > 1) throw new ProtocolError(`a holepunch message with an address of kind ${family}`)
  const size = family === 0 ? 6 : 18
  const end = HEAD_LENGTH + size
  // Some leave the code out where there is no error.
  if (payload.length < end + (type === 'error' ? CODE_LENGTH : 0)) {
    throw new ProtocolError(`a holepunch message of ${payload.length} bytes`)
  }
  const address = readCompactAddress(payload, HEAD_LENGTH, size)
  if (type !== 'error') return { type, address }
  const code = new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(end)
  return { type, address, code }
}

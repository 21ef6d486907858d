/**
 * The handshake of the extension protocol: `extended` message 0. BEP 10, with `metadata_size` of BEP 9 and
 * `upload_only` of BEP 21.
 *
 * Pure. Everything in it is a claim of a stranger: a field of a wrong type or range counts as absent.
 */
import { encodeBencode } from '../metainfo/bencode.js'
import type { BencodeNode } from '../metainfo/bencode-node.js'
import { readDictionary } from './bencoded.js'

/** The id of the extension handshake among `extended` messages. */
export const EXTENSION_HANDSHAKE_ID = 0

/** What an extension handshake says. */
export interface ExtensionHandshake {
  /**
   * Under which number, 1 to 255, the sender wants to receive the messages of each extension. 0 switches one off that
   * an earlier handshake switched on.
   */
  readonly extensions: ReadonlyMap<string, number>
  /** Name and version of the sender's program. */
  readonly client?: string
  /** How many unanswered requests the sender takes before it drops some. */
  readonly requestQueue?: number
  /** The length of the info dictionary, in bytes. */
  readonly metadataSize?: number
  /** The TCP port the sender listens on. */
  readonly listenPort?: number
  /** The receiver's address as the sender sees it: 4 or 16 bytes. */
  readonly yourAddress?: Uint8Array
  /** The sender will download nothing. */
  readonly uploadOnly?: boolean
}

/** No client offers more; the rest is not looked at. */
const MAX_EXTENSIONS = 64
const MAX_CLIENT_LENGTH = 128
const MAX_NAME_LENGTH = 64

/** The payload of an extension handshake, newly allocated. */
export function encodeExtensionHandshake(handshake: ExtensionHandshake): Uint8Array {
  return encodeBencode({
    m: Object.fromEntries(handshake.extensions),
    metadata_size: handshake.metadataSize,
    p: handshake.listenPort,
    reqq: handshake.requestQueue,
    upload_only: handshake.uploadOnly === undefined ? undefined : Number(handshake.uploadOnly),
    v: handshake.client,
    yourip: handshake.yourAddress,
  })
}

/**
 * Reads the payload of an extension handshake. The result shares no memory with it.
 *
 * @throws ProtocolError when it is not a bencoded dictionary.
 */
export function decodeExtensionHandshake(payload: Uint8Array): ExtensionHandshake {
  // Bytes behind the dictionary are tolerated, as the field's clients do.
  const { root } = readDictionary(payload, true)
  const fields = root.pick(['m', 'v', 'reqq', 'metadata_size', 'p', 'yourip', 'upload_only'])
  const client = fields.v?.bytes
  const requestQueue = fields.reqq?.size
  const metadataSize = fields.metadata_size?.size
  const listenPort = fields.p?.size
  const yourAddress = fields.yourip?.bytes
  const uploadOnly = fields.upload_only?.size
  return {
    extensions: readExtensions(fields.m),
    ...(client === undefined ? {} : { client: printable(client.subarray(0, MAX_CLIENT_LENGTH)) }),
    ...(requestQueue === undefined || requestQueue === 0 ? {} : { requestQueue }),
    ...(metadataSize === undefined || metadataSize === 0 ? {} : { metadataSize }),
    ...(listenPort === undefined || listenPort === 0 || listenPort > 65535 ? {} : { listenPort }),
    ...(yourAddress?.length === 4 || yourAddress?.length === 16
      ? { yourAddress: new Uint8Array(yourAddress) }
      : {}),
    ...(uploadOnly === undefined ? {} : { uploadOnly: uploadOnly !== 0 }),
  }
}

function readExtensions(node: BencodeNode | undefined): Map<string, number> {
  const extensions = new Map<string, number>()
  if (node === undefined) return extensions
  for (const [name, value] of node.entries()) {
    const id = value.size
    if (id === undefined || id > 255 || name.length > MAX_NAME_LENGTH) continue
    extensions.set(Buffer.from(name).toString('latin1'), id)
    if (extensions.size === MAX_EXTENSIONS) break
  }
  return extensions
}

/** Text for a log line or a terminal: without control characters. */
function printable(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(/\p{C}/gu, '')
}

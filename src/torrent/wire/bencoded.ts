/**
 * Reads the bencoded dictionary at the head of an extended message. BEP 10.
 *
 * Owns what extended messages have in common: limits, and fields of a wrong type counting as absent.
 */
import { TorrentError } from '../errors.js'
import { BencodeNode } from '../metainfo/bencode-node.js'
import { ProtocolError } from './protocol-error.js'

/** Extended messages nest two deep; strangers' additions may a little more. */
const MAX_DEPTH = 20

/** A dictionary and where it ends. */
export interface LeadingDictionary {
  readonly root: BencodeNode
  /** One past the dictionary's last byte. */
  readonly end: number
}

/**
 * Scans the dictionary that `payload` begins with.
 *
 * @param prefix - Whether bytes may follow it.
 * @throws ProtocolError
 */
export function readDictionary(payload: Uint8Array, prefix: boolean): LeadingDictionary {
  try {
    const { root, report } = BencodeNode.scan(payload, { prefix, maxDepth: MAX_DEPTH })
    if (root.kind !== 'dictionary')
      throw new ProtocolError(`an extended message that begins with a ${root.kind}`)
    return { root, end: report.end }
  } catch (error) {
    if (error instanceof ProtocolError || !(error instanceof TorrentError)) throw error
    throw new ProtocolError(`an extended message that is not bencoded: ${error.message}`, { cause: error })
  }
}

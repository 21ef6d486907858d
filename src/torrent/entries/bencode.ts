/**
 * The entry `torrentfs/bencode`: reading and writing bencoded bytes (BEP 3). Loads nothing else of the engine.
 *
 * @module torrentfs/bencode
 */
/// <reference types="node" preserve="true" />
export { encodeBencode, MAX_ENCODED_DEPTH, type BencodeInput } from '../metainfo/bencode.js'
export {
  BencodeDecoder,
  type BencodeDecoderOptions,
  type BencodeListener,
} from '../metainfo/bencode-decoder.js'
export { BencodeNode, type BencodeKind } from '../metainfo/bencode-node.js'
export { scanBencode, type ScanOptions, type ScanReport } from '../metainfo/bencode-scanner.js'
export {
  decodeBencode,
  decodeBencodeStream,
  type BencodeItem,
  type BencodeValue,
  type BencodeValueOptions,
} from '../metainfo/bencode-values.js'
export { TorrentError, type TorrentErrorCode } from '../errors.js'

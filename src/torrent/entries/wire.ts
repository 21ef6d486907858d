/**
 * The entry `torrentfs/wire`: what peers say to each other as bytes, without a socket (BEP 3, 5, 6, 8, 9, 10, 11, 14, 21,
 * 29, 54, 55).
 *
 * @module torrentfs/wire
 */
/// <reference types="node" preserve="true" />
export { TorrentError, type TorrentErrorCode } from '../errors.js'
export type { HostPort } from '../metainfo/addresses.js'
export { MessageDecoder, type DecoderEvents } from '../wire/decoder.js'
export { DONT_HAVE_EXTENSION, decodeDontHave, encodeDontHave } from '../wire/dont-have-message.js'
export { MessageEncoder } from '../wire/encoder.js'
export {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
  type ExtensionHandshake,
} from '../wire/extension.js'
export {
  beginsHandshake,
  checkHandshakePrefix,
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_HEAD_LENGTH,
  HANDSHAKE_LENGTH,
  handshakeInfohash,
  type Handshake,
} from '../wire/handshake.js'
export {
  decodeHolepunch,
  encodeHolepunch,
  HOLEPUNCH_EXTENSION,
  HolepunchError,
  type HolepunchMessage,
} from '../wire/holepunch-message.js'
export {
  decodeLsdMessage,
  encodeLsdMessage,
  MAX_LSD_INFOHASHES,
  MAX_LSD_LENGTH,
  type LsdMessage,
} from '../wire/lsd-message.js'
export {
  MAX_BITFIELD_LENGTH,
  MAX_BLOCK_PAYLOAD,
  MAX_EXTENDED_LENGTH,
  MessageId,
  type BitfieldMessage,
  type BlockRangeMessage,
  type ExtendedMessage,
  type PieceIndexMessage,
  type PortMessage,
  type SignalMessage,
  type WireMessage,
} from '../wire/messages.js'
export {
  decodeMetadataMessage,
  encodeMetadataMessage,
  METADATA_EXTENSION,
  METADATA_PIECE_LENGTH,
  type MetadataMessage,
} from '../wire/metadata-message.js'
export {
  decodePexMessage,
  encodePexMessage,
  MAX_PEX_READ,
  MAX_PEX_SENT,
  PEX_EXTENSION,
  PexFlag,
  type PexMessage,
  type PexPeer,
} from '../wire/pex-message.js'
export { ProtocolError } from '../wire/protocol-error.js'
export { MAX_PAD, type SecuredStream, type StreamMethod } from '../wire/stream-encryption.js'
export { StreamAnswerer, type StreamAnswererOptions } from '../wire/stream-encryption-answerer.js'
export { StreamCaller, type StreamCallerOptions } from '../wire/stream-encryption-caller.js'
export { KeyPair, PRIVATE_KEY_LENGTH, PUBLIC_KEY_LENGTH, type KeyExchange } from '../wire/key-exchange.js'
export { Rc4 } from '../wire/rc4.js'
export { decodeUploadOnly, encodeUploadOnly, UPLOAD_ONLY_EXTENSION } from '../wire/upload-only-message.js'
export {
  decodeUtp,
  encodeUtp,
  isUtp,
  UTP_DATA,
  UTP_FIN,
  UTP_HEADER_LENGTH,
  UTP_RESET,
  UTP_STATE,
  UTP_SYN,
  type UtpHeader,
  type UtpPacket,
} from '../wire/utp-packet.js'

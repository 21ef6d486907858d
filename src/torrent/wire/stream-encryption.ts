/**
 * What both sides of message stream encryption have in common: numbers, limits and hashes. It has no BEP; clients follow the
 * "Message Stream Encryption" page of the Azureus wiki.
 *
 * Pure. `stream-encryption-caller.ts` and `stream-encryption-answerer.ts` run the exchange:
 *
 *     caller    public key, pad A
 *     answerer  public key, pad B
 *     caller    HASH('req1', secret), HASH('req2', infohash) ^ HASH('req3', secret),
 *               RC4(zeros, methods offered, length, pad C, length, first bytes of the stream)
 *     answerer  RC4(zeros, method chosen, length, pad D)
 *
 * and from there on the stream of either side, as the method says.
 */
import { createHash } from 'node:crypto'

import { Rc4 } from './rc4.js'

/** How the stream flows behind the exchange: as it is, or through RC4. */
export type StreamMethod = 'plain' | 'rc4'

/** What an exchange yields. */
export interface SecuredStream {
  readonly method: StreamMethod
  /** 20 bytes: the torrent both sides named. */
  readonly infohash: Uint8Array
  /** Decrypts what comes behind `early`; undefined when it comes as it is. */
  readonly incoming: Rc4 | undefined
  /** Encrypts what is sent behind the exchange; undefined when it is sent as it is. */
  readonly outgoing: Rc4 | undefined
  /** What came of the peer's stream already, decrypted. A copy. */
  readonly early: Uint8Array
}

/** The longest of each pad, in bytes. */
export const MAX_PAD = 512
/** A hash, in bytes. */
export const HASH_LENGTH = 20
/** What marks the beginning of the encrypted part: so many zeros. */
export const MARK_LENGTH = 8

/** The bits by which methods are offered and chosen. */
export const METHOD_BITS: Readonly<Record<StreamMethod, number>> = { plain: 1, rc4: 2 }

/** The hash by which a caller names its torrent: 20 bytes. What answerers look their torrents up by. */
export function torrentKey(infohash: Uint8Array): Uint8Array {
  return hash('req2', infohash)
}

/** Where the caller's second message begins: 20 bytes. */
export function syncHash(secret: Uint8Array): Uint8Array {
  return hash('req1', secret)
}

/** {@link torrentKey} as it travels, or back: 20 bytes. */
export function maskTorrentKey(key: Uint8Array, secret: Uint8Array): Uint8Array {
  const mask = hash('req3', secret)
  for (let i = 0; i < HASH_LENGTH; i++) mask[i] = (mask[i] as number) ^ (key[i] as number)
  return mask
}

/** The cipher of what the caller sends, and that of what the answerer sends. */
export function streamCiphers(
  secret: Uint8Array,
  infohash: Uint8Array,
): { readonly ofCaller: Rc4; readonly ofAnswerer: Rc4 } {
  return {
    ofCaller: new Rc4(hash('keyA', secret, infohash)),
    ofAnswerer: new Rc4(hash('keyB', secret, infohash)),
  }
}

function hash(name: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash('sha1').update(name)
  for (const part of parts) digest.update(part)
  return digest.digest()
}

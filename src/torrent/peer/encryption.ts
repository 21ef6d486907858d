/**
 * Which connections are encrypted: the policy, and how one connection came out.
 *
 * Owns the words and what they mean; moves no byte.
 */
import type { StreamMethod } from '../wire/stream-encryption.js'

/**
 * - `prefer`: peers may connect either way. We call plainly first, and with encryption if that is turned away; both within
 *   one attempt. A stream is encrypted whole only where the peer insists.
 * - `require`: every connection is encrypted, whole; a peer that will not is no peer.
 * - `disable`: no connection is encrypted.
 */
export type EncryptionPolicy = 'prefer' | 'require' | 'disable'

/** Every {@link EncryptionPolicy}, for who checks what he was given. */
export const ENCRYPTION_POLICIES: readonly EncryptionPolicy[] = ['prefer', 'require', 'disable']

/** How a connection flows: in the open, in the open behind an encrypted handshake, or encrypted whole. */
export type Protection = 'plain' | 'header' | 'rc4'

/** How a connection is opened. */
export type Greeting = 'plain' | 'encrypted'

/** The methods to offer, or to choose from, the best first: without need a stream is not encrypted, which costs speed. */
export function methodsOf(policy: EncryptionPolicy): readonly StreamMethod[] {
  return policy === 'require' ? ['rc4'] : ['plain', 'rc4']
}

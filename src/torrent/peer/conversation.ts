/**
 * An exchange of bytes over a fresh transport that comes to a result, under a deadline.
 *
 * Owns the transport until the result is there or the exchange has failed. Knows no protocol. Must not wait longer than its
 * deadline, however slowly the stranger on the other side sends.
 */
import { TorrentError } from '../errors.js'
import { ProtocolError } from '../wire/protocol-error.js'
import { formatAddress } from './address.js'
import type { Transport } from './transport.js'

export interface ConversationLimits {
  /** When it must be over, in ms from now. */
  readonly timeoutMs: number
  /** Aborting it ends the conversation; afterwards it has no effect. */
  readonly signal?: AbortSignal
}

/** What a speaker does with its conversation. */
export interface Conversation<T> {
  /** True when it has come to a result or failed: nothing is to be done any more. */
  readonly over: boolean
  /** Ends it with a result. The transport is paused, and belongs to who gets the result. */
  finish(result: T): void
  /** Runs a part of it that is not run by {@link Speaker}: a ProtocolError thrown by it ends the conversation. */
  run(part: () => void): void
}

/**
 * Takes the bytes [0, length) of `bytes`, valid during the call only. A ProtocolError thrown by it ends the conversation.
 */
export type Speaker = (bytes: Uint8Array, length: number) => void

/**
 * Holds a conversation. Afterwards the transport is paused; when it failed, it is destroyed.
 *
 * @param begin - Speaks first, if it is to, and returns who takes what comes.
 * @throws ERR_TORRENTFS_PROTOCOL, ERR_TORRENTFS_TIMEOUT, ERR_TORRENTFS_CONNECTION, ERR_TORRENTFS_ABORTED
 */
export function converse<T>(
  transport: Transport,
  limits: ConversationLimits,
  begin: (conversation: Conversation<T>) => Speaker,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const where = formatAddress(transport.address)
    let speaker: Speaker | undefined
    let over = false

    const release = (): void => {
      over = true
      clearTimeout(timer)
      limits.signal?.removeEventListener('abort', abort)
    }
    const fail = (error: TorrentError): void => {
      if (over) return
      release()
      transport.destroy(error)
      reject(error)
    }
    const run = (part: () => void): void => {
      if (over) return
      try {
        part()
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        fail(new ProtocolError(`${where}: ${error.message}`))
      }
    }
    const abort = (): void => fail(new TorrentError('ERR_TORRENTFS_ABORTED', `${where}: given up`))
    const timer = setTimeout(() => {
      fail(
        new TorrentError(
          'ERR_TORRENTFS_TIMEOUT',
          `${where}: no handshake in ${Math.round(limits.timeoutMs)} ms`,
        ),
      )
    }, limits.timeoutMs)
    if (limits.signal?.aborted === true) return abort()
    limits.signal?.addEventListener('abort', abort, { once: true })

    transport.setReceiver({
      receive: (bytes, length) => run(() => speaker?.(bytes, length)),
      sent() {},
      ended(error) {
        if (over) return
        release()
        reject(error ?? new TorrentError('ERR_TORRENTFS_CONNECTION', `${where}: closed before its handshake`))
      },
    })
    const conversation: Conversation<T> = {
      get over() {
        return over
      },
      finish(result) {
        if (over) return
        release()
        transport.pause()
        resolve(result)
      },
      run,
    }
    run(() => {
      speaker = begin(conversation)
      if (!over) transport.resume()
    })
  })
}

/**
 * Connects to addresses. BEP 3.
 *
 * Owns the attempt from the first packet to the end of the handshake, under one deadline. Whom to call, and how many
 * at a time, is the address book's and the torrent's business.
 */
import { TorrentError } from '../errors.js'
import { formatAddress, type HostPort } from './address.js'
import { PeerConnection, type PeerConnectionOptions } from './connection.js'
import { exchangeHandshakes, type Identity } from './handshaking.js'
import { TcpTransport } from './tcp-transport.js'

export interface DialOptions {
  /** Aborting it ends the attempt; afterwards it has no effect. */
  readonly signal?: AbortSignal
  /** How long connecting and handshake may take together, in ms. Default: 10,000. */
  readonly timeoutMs?: number
  readonly connection?: PeerConnectionOptions
}

const TIMEOUT_MS = 10_000

/**
 * Connects to an address and exchanges handshakes. The caller owns the connection, and must close it.
 *
 * @throws ERR_TORRENTFS_CONNECTION when there is no connection to be had or it ends early, ERR_TORRENTFS_TIMEOUT,
 * ERR_TORRENTFS_PROTOCOL when the peer has another torrent, is ourselves or no peer at all, ERR_TORRENTFS_ABORTED.
 */
export async function dial(
  address: HostPort,
  identity: Identity,
  options?: DialOptions,
): Promise<PeerConnection> {
  const timeoutMs = options?.timeoutMs ?? TIMEOUT_MS
  const deadline = performance.now() + timeoutMs
  const transport = await connectInTime(address, timeoutMs, options?.signal)
  const { handshake, early } = await exchangeHandshakes(transport, identity, {
    timeoutMs: Math.max(1, deadline - performance.now()),
    ...(options?.signal === undefined ? {} : { signal: options.signal }),
    resolve: () => identity,
  })
  return new PeerConnection(transport, handshake, early, options?.connection)
}

async function connectInTime(
  address: HostPort,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<TcpTransport> {
  const stop = new AbortController()
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    stop.abort()
  }, timeoutMs)
  const abort = (): void => stop.abort()
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  try {
    return await TcpTransport.connect(address, stop.signal)
  } catch (error) {
    if (!timedOut) throw error
    const message = `${formatAddress(address)}: no connection in ${timeoutMs} ms`
    throw new TorrentError('ERR_TORRENTFS_TIMEOUT', message, { cause: error })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

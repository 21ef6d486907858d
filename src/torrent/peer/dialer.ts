/**
 * Connects to addresses. BEP 3.
 *
 * Owns the attempt from the first packet to the end of the handshake, under one deadline: also where it takes two
 * connections, since the first was turned away for not being encrypted. Whom to call, and how many at a time, is the
 * address book's and the torrent's business.
 */
import { TorrentError } from '../errors.js'
import { formatAddress, type HostPort } from './address.js'
import type { PeerConnection, PeerConnectionOptions } from './connection.js'
import type { EncryptionPolicy, Greeting } from './encryption.js'
import type { GreetingMemory } from './greeting-memory.js'
import { greetOutgoing } from './greeting.js'
import type { Identity } from './handshaking.js'
import { TcpTransport } from './tcp-transport.js'
import type { Transport } from './transport.js'

/**
 * Makes a transport to an address. Aborting the signal ends the attempt; afterwards it has no effect.
 *
 * @throws ERR_TORRENTFS_CONNECTION when there is no connection to be had, ERR_TORRENTFS_ABORTED on abort
 */
export type Connect = (address: HostPort, signal: AbortSignal) => Promise<Transport>

export interface DialOptions {
  /** Aborting it ends the attempt; afterwards it has no effect. */
  readonly signal?: AbortSignal
  /** How long connecting and handshake may take together, in ms. Default: 10,000. */
  readonly timeoutMs?: number
  readonly connection?: PeerConnectionOptions
  /** How to get there. Default: TCP. */
  readonly connect?: Connect
  /** Whether to encrypt, and what was learnt of addresses. Default: not. */
  readonly encryption?: { readonly policy: EncryptionPolicy; readonly memory: GreetingMemory }
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
  options: DialOptions = {},
): Promise<PeerConnection> {
  const { encryption } = options
  const order: readonly Greeting[] = encryption?.memory.order(address, encryption.policy) ?? ['plain']
  const deadline = performance.now() + (options.timeoutMs ?? TIMEOUT_MS)
  let turnedAway: unknown
  for (const [at, greeting] of order.entries()) {
    const attempt = await call(address, identity, options, greeting, deadline, at === order.length - 1)
    if ('connection' in attempt) {
      if (order.length > 1) encryption?.memory.note(address, greeting)
      return attempt.connection
    }
    if (attempt.answered) throw attempt.error
    // What came of the likeliest greeting tells more than what came of the second try.
    turnedAway ??= attempt.error
  }
  throw turnedAway
}

type Call =
  | { readonly connection: PeerConnection }
  /** `answered`: in another way it would not go better. */
  | { readonly error: unknown; readonly answered: boolean }

/** Connects and greets in one way. */
async function call(
  address: HostPort,
  identity: Identity,
  options: DialOptions,
  greeting: Greeting,
  deadline: number,
  last: boolean,
): Promise<Call> {
  const { signal, connection, encryption } = options
  // Until there is a connection it makes no difference how the peer wants to be greeted.
  let answered = true
  try {
    const connect: Connect = options.connect ?? ((to, ending) => TcpTransport.connect(to, ending))
    const transport = await connectInTime(connect, address, remaining(deadline), signal)
    answered = false
    const connected = await greetOutgoing(transport, identity, {
      greeting,
      policy: encryption?.policy ?? 'disable',
      // Who says nothing to the one may answer the other.
      timeoutMs: last ? remaining(deadline) : remaining(deadline) / 2,
      onAnswer: () => (answered = true),
      ...(signal === undefined ? {} : { signal }),
      ...(connection === undefined ? {} : { connection }),
    })
    return { connection: connected }
  } catch (error) {
    return { error, answered: answered || signal?.aborted === true }
  }
}

/** ms */
function remaining(deadline: number): number {
  return Math.max(1, deadline - performance.now())
}

async function connectInTime(
  connect: Connect,
  address: HostPort,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Transport> {
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
    return await connect(address, stop.signal)
  } catch (error) {
    if (!timedOut) throw error
    const message = `${formatAddress(address)}: no connection in ${Math.round(timeoutMs)} ms`
    throw new TorrentError('ERR_TORRENTFS_TIMEOUT', message, { cause: error })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

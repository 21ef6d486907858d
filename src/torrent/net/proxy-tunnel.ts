/**
 * A connection through a proxy: SOCKS5 (RFC 1928, 1929) or HTTP CONNECT (RFC 9110).
 *
 * Owns what is said to the proxy. Must not look a name up: the proxy does, whatever the name. Must not connect to
 * anything: the socket to the proxy is given, and is the tunnel's when it works.
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

import type { SocksClient } from 'socks'
import { messageOf, TorrentError } from '../errors.js'
import { formatHostPort, type HostPort } from '../metainfo/addresses.js'
import type { ProxyServer } from './proxy-url.js'

const require = createRequire(import.meta.url)

/** The socks package gives up by itself after this, in ms; whoever waits has a deadline long before. */
const LONGEST_TALK_MS = 60_000
/** A proxy's answer to CONNECT is a line and some headers. */
const MAX_ANSWER_BYTES = 16 * 1024

/**
 * Asks the proxy at the other end of `socket` to connect us to an address.
 *
 * @param socket - Connected to the proxy. It carries the tunnel afterwards, paused; it is destroyed when there is none.
 * To give up, destroy it.
 * @param to - An IP address, or a name for the proxy to look up.
 * @throws ERR_TORRENTFS_PROXY when the proxy will not have us, ERR_TORRENTFS_CONNECTION when it cannot reach `to`
 */
export async function openTunnel(socket: Socket, proxy: ProxyServer, to: HostPort): Promise<void> {
  try {
    if (proxy.kind === 'socks5') await askSocks(socket, proxy, to)
    else await askHttp(socket, proxy, to)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function askSocks(socket: Socket, proxy: ProxyServer, to: HostPort): Promise<void> {
  try {
    // Loaded by who has a proxy: it takes as long as half of the engine. At once, since a socket waits for no promise.
    const { SocksClient: client } = require('socks') as { SocksClient: typeof SocksClient }
    const talk = client.createConnection({
      command: 'connect',
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: 5,
        ...(proxy.user === undefined ? {} : { userId: proxy.user, password: proxy.password ?? '' }),
      },
      destination: { host: to.host, port: to.port },
      existing_socket: socket,
      timeout: LONGEST_TALK_MS,
    })
    // It listens by now, and does not think of the socket's being paused.
    socket.resume()
    await talk
  } catch (cause) {
    throw socksFailure(proxy, to, cause)
  }
}

/** The proxy's own failures are told from those of the peer behind it: only the first are the user's to mend. */
function socksFailure(proxy: ProxyServer, to: HostPort, cause: unknown): TorrentError {
  const message = messageOf(cause)
  const rejected = /rejected connection(?: - (\w+))?/i.exec(message)
  if (rejected !== null && rejected[1] !== 'NotAllowed') {
    const words = (rejected[1] ?? 'refused').replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()
    return new TorrentError(
      'ERR_TORRENTFS_CONNECTION',
      `${formatHostPort(to)}: ${words}, says the proxy ${proxy.label}`,
      { cause },
    )
  }
  if (/authentication failed/i.test(message)) return failed(proxy, 'wrong user name or password', cause)
  if (/no accepted authentication/i.test(message) || /authentication type/i.test(message)) {
    const wanted =
      proxy.user === undefined ? 'it wants a user name and a password' : 'it takes no password of ours'
    return failed(proxy, wanted, cause)
  }
  if (rejected !== null) return failed(proxy, `it does not allow ${formatHostPort(to)}`, cause)
  if (/socket closed/i.test(message))
    return failed(proxy, 'it closed the connection: is it a SOCKS5 proxy?', cause)
  return failed(proxy, message, cause)
}

async function askHttp(socket: Socket, proxy: ProxyServer, to: HostPort): Promise<void> {
  const target = formatHostPort(to)
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`]
  if (proxy.user !== undefined) {
    const secret = Buffer.from(`${proxy.user}:${proxy.password ?? ''}`).toString('base64')
    lines.push(`Proxy-Authorization: Basic ${secret}`)
  }
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const { head, rest } = await readHead(socket, proxy)
  const status = /^HTTP\/1\.[01] (\d{3})(?: ([^\r\n]{0,100}))?/.exec(head)
  if (status === null) throw failed(proxy, 'its answer is not HTTP')
  const code = Number(status[1])
  if (code === 407) {
    throw failed(
      proxy,
      proxy.user === undefined ? 'it wants a user name and a password' : 'wrong user name or password',
    )
  }
  if (code === 502 || code === 503 || code === 504 || code === 500) {
    throw new TorrentError(
      'ERR_TORRENTFS_CONNECTION',
      `${target}: ${code} ${status[2] ?? ''}`.trimEnd() + `, says the proxy ${proxy.label}`,
    )
  }
  if (code < 200 || code > 299) throw failed(proxy, `it does not connect to ${target}: status ${code}`)
  if (rest.length > 0) socket.unshift(rest)
}

/** Reads up to the empty line. What came behind it is the other end's already. */
function readHead(socket: Socket, proxy: ProxyServer): Promise<{ head: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const release = (): void => {
      socket.pause()
      socket.off('data', take).off('error', fail).off('close', close)
    }
    const fail = (error: Error): void => {
      release()
      reject(error instanceof TorrentError ? error : failed(proxy, error.message, error))
    }
    const close = (): void => fail(failed(proxy, 'it closed the connection'))
    const take = (bytes: Buffer): void => {
      received = Buffer.concat([received, bytes])
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) {
        if (received.length > MAX_ANSWER_BYTES) fail(failed(proxy, 'its answer does not end'))
        return
      }
      release()
      resolve({ head: received.toString('latin1', 0, end), rest: received.subarray(end + 4) })
    }
    socket.on('data', take).on('error', fail).on('close', close)
    socket.resume()
  })
}

function failed(proxy: ProxyServer, why: string, cause?: unknown): TorrentError {
  return new TorrentError('ERR_TORRENTFS_PROXY', `proxy ${proxy.label}: ${why}`, { cause })
}

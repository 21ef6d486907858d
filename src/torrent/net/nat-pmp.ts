/**
 * Asks the router next to us for a port by NAT-PMP (RFC 6886).
 *
 * Owns the datagrams. An answer counts only from the router, to what was asked: anyone on the network can send one.
 */
import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'

import { TorrentError } from '../errors.js'
import type { MappedPort, PortGateway, TransportProtocol } from './port-mapping.js'

const PORT = 5351
/** The RFC goes on for a minute; a router that is there answers at once, and UPnP is tried next. */
const TIMEOUTS_MS = [250, 500, 1000] as const
const RESULTS = ['success', 'unsupported version', 'not authorized', 'network failure', 'out of resources']
const OPCODES: Readonly<Record<TransportProtocol, number>> = { UDP: 1, TCP: 2 }

export interface NatPmpOptions {
  /** The router's IPv4 address. */
  readonly router: string
  /** The address to send from; undefined for any. */
  readonly localAddress?: string | undefined
}

/** A router that speaks NAT-PMP, if it does: the first question tells. */
export class NatPmpGateway implements PortGateway {
  readonly kind = 'NAT-PMP'
  readonly #o: NatPmpOptions

  constructor(o: NatPmpOptions) {
    this.#o = o
  }

  async externalAddress(signal: AbortSignal): Promise<string> {
    const answer = await this.#ask(Buffer.from([0, 0]), 12, signal)
    return answer.subarray(8, 12).join('.')
  }

  async map(
    protocol: TransportProtocol,
    port: number,
    external: number,
    lifetimeS: number,
    signal: AbortSignal,
  ): Promise<MappedPort> {
    const request = Buffer.alloc(12)
    request.writeUInt8(OPCODES[protocol], 1)
    request.writeUInt16BE(port, 4)
    request.writeUInt16BE(external, 6)
    request.writeUInt32BE(lifetimeS, 8)
    const answer = await this.#ask(request, 16, signal)
    return { external: answer.readUInt16BE(10), lifetimeS: answer.readUInt32BE(12) }
  }

  async unmap(
    protocol: TransportProtocol,
    port: number,
    _external: number,
    signal: AbortSignal,
  ): Promise<void> {
    await this.map(protocol, port, 0, 0, signal)
  }

  /** Sends a question until it is answered. @throws ERR_TORRENTFS_CONNECTION, ERR_TORRENTFS_ABORTED */
  #ask(question: Buffer, length: number, signal: AbortSignal): Promise<Buffer> {
    const { router, localAddress } = this.#o
    return new Promise((resolve, reject) => {
      const socket = createSocket('udp4')
      let attempt = 0
      let timer: NodeJS.Timeout | undefined
      const end = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        socket.close()
      }
      const fail = (why: string, cause?: unknown): void => {
        end()
        reject(new TorrentError('ERR_TORRENTFS_CONNECTION', `NAT-PMP of ${router}: ${why}`, { cause }))
      }
      const abort = (): void => {
        end()
        reject(new TorrentError('ERR_TORRENTFS_ABORTED', `NAT-PMP of ${router}: given up`))
      }
      const send = (): void => {
        const wait = TIMEOUTS_MS[attempt++]
        if (wait === undefined) return fail('no answer')
        timer = setTimeout(send, wait)
        socket.send(question, PORT, router, () => {})
      }
      socket.on('message', (answer, from) => {
        if (from.address !== router || from.port !== PORT) return
        if (answer.length < 4 || answer[0] !== 0 || answer[1] !== question[1]! + 128) return
        const result = answer.readUInt16BE(2)
        if (result !== 0) return fail(RESULTS[result] ?? `result ${result}`)
        if (answer.length < length) return
        // Of a mapping: the one that was asked for.
        if (length === 16 && answer.readUInt16BE(8) !== question.readUInt16BE(4)) return
        end()
        resolve(answer)
      })
      socket.on('error', error => fail(error.message, error))
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) return abort()
      // Bound first: an address that is gone is an error then, and not a datagram that leaves elsewhere.
      socket.bind({ port: 0, ...(localAddress === undefined ? {} : { address: localAddress }) }, send)
    })
  }
}

/**
 * The IPv4 router that datagrams to everywhere go to, by Linux's table of routes; undefined where there is none.
 *
 * @param device - The interface that it must be reached by; undefined for any.
 */
export async function defaultRouter(device?: string, table = '/proc/net/route'): Promise<string | undefined> {
  const text = await readFile(table, 'latin1').catch(() => '')
  let best: { readonly router: string; readonly metric: number } | undefined
  for (const line of text.split('\n').slice(1)) {
    const [name, destination, gateway = '', flags = '0', , , metric, mask] = line.split('\t')
    const isUp = (parseInt(flags, 16) & 3) === 3
    if (!isUp || destination !== '00000000' || mask !== '00000000' || !/^[0-9A-F]{8}$/.test(gateway)) continue
    if (device !== undefined && name !== device) continue
    // In the machine's byte order, which is little-endian wherever Node runs.
    const router = gateway.match(/../g)!.reverse().map(byte => parseInt(byte, 16)).join('.') // prettier-ignore
    if (best === undefined || Number(metric) < best.metric) best = { router, metric: Number(metric) }
  }
  return best?.router
}

/**
 * Asks a router for a port by UPnP: found by SSDP, spoken to in SOAP (Internet Gateway Device 1 and 2).
 *
 * Owns both conversations. Anyone on the network can answer: an answer must name a place on the machine it came from, on a
 * private network, and nothing is read beyond a cap.
 */
import { createSocket } from 'node:dgram'
import { request, type IncomingMessage } from 'node:http'

import { messageOf, TorrentError } from '../errors.js'
import { realmOf } from './ip-address.js'
import type { MappedPort, PortGateway, TransportProtocol } from './port-mapping.js'

const SSDP_ADDRESS = '239.255.255.250'
const SSDP_PORT = 1900
/** A search is a datagram, which may be lost. */
const SEARCHES_MS = [0, 600, 1500] as const
const PATIENCE_MS = 3000
const REQUEST_MS = 3000
const MAX_ANSWER_BYTES = 256 * 1024
const MAX_LOCATIONS = 8
const TARGETS = [1, 2].map(version => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`)
/** What maps ports, best first. */
const SERVICES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const
/** UPnP error codes. */
const CONFLICT = 718
const PERMANENT_ONLY = 725
const MAX_CONFLICTS = 4

/**
 * Looks for a router that maps ports.
 *
 * @param localAddress - The IPv4 address to ask from.
 * @returns undefined when none answered in 3 s
 * @throws ERR_TORRENTFS_ABORTED
 */
export async function findUpnpGateway(
  localAddress: string,
  signal: AbortSignal,
): Promise<UpnpGateway | undefined> {
  for await (const location of search(localAddress, signal)) {
    try {
      return await gatewayAt(location, localAddress, signal)
    } catch {
      // A printer, a television, or a router that does not map ports: perhaps the next.
      if (signal.aborted) break
    }
  }
  if (signal.aborted) throw new TorrentError('ERR_TORRENTFS_ABORTED', 'UPnP: given up')
  return undefined
}

/** A router's service that maps ports. */
export class UpnpGateway implements PortGateway {
  readonly kind = 'UPnP'
  readonly #control: URL
  readonly #service: string
  readonly #localAddress: string

  constructor(control: URL, service: string, localAddress: string) {
    this.#control = control
    this.#service = service
    this.#localAddress = localAddress
  }

  async externalAddress(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#run('GetExternalIPAddress', [], signal)
    return textOf(answer, 'NewExternalIPAddress')
  }

  async map(
    protocol: TransportProtocol,
    port: number,
    wanted: number,
    wantedS: number,
    signal: AbortSignal,
  ): Promise<MappedPort> {
    let external = wanted
    let lifetimeS = wantedS
    for (let conflicts = 0; ;) {
      try {
        await this.#run(
          'AddPortMapping',
          [
            ['NewRemoteHost', ''],
            ['NewExternalPort', external],
            ['NewProtocol', protocol],
            ['NewInternalPort', port],
            ['NewInternalClient', this.#localAddress],
            ['NewEnabled', 1],
            ['NewPortMappingDescription', `${protocol} ${port}`],
            ['NewLeaseDuration', lifetimeS],
          ],
          signal,
        )
        return { external, lifetimeS }
      } catch (error) {
        const code = error instanceof UpnpFault ? error.number : 0
        if (code === PERMANENT_ONLY && lifetimeS > 0) lifetimeS = 0
        else if (code === CONFLICT && ++conflicts < MAX_CONFLICTS)
          external = 1024 + ((external * 31 + 7919) % 64_000)
        else throw error
      }
    }
  }

  async unmap(
    protocol: TransportProtocol,
    _port: number,
    external: number,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#run(
      'DeletePortMapping',
      [
        ['NewRemoteHost', ''],
        ['NewExternalPort', external],
        ['NewProtocol', protocol],
      ],
      signal,
    )
  }

  async #run(
    action: string,
    parameters: readonly (readonly [name: string, value: string | number])[],
    signal: AbortSignal,
  ): Promise<string> {
    const body =
      '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
      's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
      `<u:${action} xmlns:u="${this.#service}">` +
      parameters.map(([name, value]) => `<${name}>${value}</${name}>`).join('') +
      `</u:${action}></s:Body></s:Envelope>\r\n`
    const headers = {
      'Content-Type': 'text/xml; charset="utf-8"',
      SOAPAction: `"${this.#service}#${action}"`,
    }
    const { status, text } = await fetchText(this.#control, this.#localAddress, signal, { headers, body })
    if (status === 200) return text
    throw new UpnpFault(this.#control.host, action, status, text)
  }
}

class UpnpFault extends TorrentError {
  readonly number: number

  constructor(host: string, action: string, status: number, text: string) {
    const number = Number(textOf(text, 'errorCode') ?? 0)
    const reason = number === 0 ? `HTTP status ${status}` : `error ${number}`
    super('ERR_TORRENTFS_CONNECTION', `UPnP of ${host}: ${action}: ${reason}`)
    this.number = number
  }
}

/** Yields where devices describe themselves, as they answer. */
async function* search(localAddress: string, signal: AbortSignal): AsyncGenerator<URL> {
  const found: URL[] = []
  const seen = new Set<string>()
  let wake = (): void => {}
  let over = false
  const socket = createSocket('udp4')
  const end = (): void => {
    over = true
    wake()
  }
  const timers = [setTimeout(end, PATIENCE_MS)]
  socket.on('error', end)
  socket.on('message', (answer, from) => {
    const location = locationOf(answer.toString('latin1', 0, 4096), from.address)
    if (location === undefined || seen.has(location.href) || seen.size >= MAX_LOCATIONS) return
    seen.add(location.href)
    found.push(location)
    wake()
  })
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const ask = (): void => {
    for (const target of TARGETS) {
      const lines = [
        'M-SEARCH * HTTP/1.1',
        `HOST: ${SSDP_ADDRESS}:${SSDP_PORT}`,
        'MAN: "ssdp:discover"',
        'MX: 1',
        `ST: ${target}`,
      ]
      socket.send(`${lines.join('\r\n')}\r\n\r\n`, SSDP_PORT, SSDP_ADDRESS, () => {})
    }
  }
  socket.bind({ address: localAddress, port: 0 }, () => {
    try {
      // Else the system sends multicast by whichever interface it likes.
      socket.setMulticastInterface(localAddress)
      socket.setMulticastTTL(2)
    } catch {
      return end()
    }
    for (const ms of SEARCHES_MS) timers.push(setTimeout(ask, ms))
  })
  try {
    for (;;) {
      const next = found.shift()
      if (next !== undefined) yield next
      else if (over) return
      else await new Promise<void>(resolve => (wake = resolve))
    }
  } finally {
    for (const timer of timers) clearTimeout(timer)
    signal.removeEventListener('abort', end)
    socket.close()
  }
}

/** Where an answer to a search says to go on, if that is the machine that answered. */
function locationOf(answer: string, from: string): URL | undefined {
  if (!answer.startsWith('HTTP/1.1 200')) return undefined
  const text = /^location:[ \t]*(\S{1,500})[ \t]*\r?$/im.exec(answer)?.[1]
  if (text === undefined || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === 'http:' && url.hostname === from && realmOf(from) === 'private' ? url : undefined
}

async function gatewayAt(location: URL, localAddress: string, signal: AbortSignal): Promise<UpnpGateway> {
  const { status, text } = await fetchText(location, localAddress, signal)
  if (status !== 200) throw new Error(`HTTP status ${status}`)
  const controls = new Map<string, string>()
  for (const part of text.split('<service>').slice(1)) {
    const service = part.slice(0, part.indexOf('</service>') >>> 0)
    const type = textOf(service, 'serviceType')
    const control = textOf(service, 'controlURL')
    if (type !== undefined && control !== undefined) controls.set(type, control)
  }
  const base = textOf(text, 'URLBase')
  for (const type of SERVICES) {
    const path = controls.get(type)
    const from = base !== undefined && URL.canParse(base) ? base : location.href
    if (path === undefined || !URL.canParse(path, from)) continue
    const control = new URL(path, from)
    if (control.protocol === 'http:' && control.hostname === location.hostname)
      return new UpnpGateway(control, type, localAddress)
  }
  throw new Error('no service that maps ports')
}

interface Post {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** One request to the router. @throws ERR_TORRENTFS_CONNECTION */
async function fetchText(
  url: URL,
  localAddress: string,
  signal: AbortSignal,
  post?: Post,
): Promise<{ status: number; text: string }> {
  const limit = new AbortController()
  const abort = (): void => limit.abort()
  const timer = setTimeout(abort, REQUEST_MS)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        agent: false,
        method: post === undefined ? 'GET' : 'POST',
        headers: {
          Connection: 'close',
          ...(post === undefined
            ? {}
            : { ...post.headers, 'Content-Length': String(Buffer.byteLength(post.body)) }),
        },
        localAddress,
        signal: limit.signal,
      } as const
      request(url, options, resolve).on('error', reject).end(post?.body)
    })
    const parts: Buffer[] = []
    let length = 0
    for await (const part of message as AsyncIterable<Buffer>) {
      length += part.length
      if (length > MAX_ANSWER_BYTES) throw new Error('an answer without end')
      parts.push(part)
    }
    return { status: message.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }
  } catch (error) {
    throw new TorrentError('ERR_TORRENTFS_CONNECTION', `UPnP of ${url.host}: ${messageOf(error)}`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

/** The text of the first element of this name. */
function textOf(xml: string, name: string): string | undefined {
  const open = `<${name}>`
  const from = xml.indexOf(open)
  const to = from < 0 ? -1 : xml.indexOf('</', from)
  return to < 0
    ? undefined
    : xml
        .slice(from + open.length, to)
        .trim()
        .slice(0, 1000)
}

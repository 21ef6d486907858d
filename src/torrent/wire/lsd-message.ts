/**
 * The datagram in which programs of one network tell each other of their torrents: local service discovery. BEP 14.
 *
 * Pure, and strict: who is not sure to be a client of this protocol is not answered.
 */

/** An announcement. */
export interface LsdMessage {
  /** The TCP port its sender takes peers at, 1 to 65,535. */
  readonly port: number
  /** 40 lower-case hexadecimal digits each, none twice. */
  readonly infohashes: readonly string[]
  /** By it a sender knows its own messages. */
  readonly cookie?: string
}

/** Bytes in one message, so that it is one packet on any network. */
export const MAX_LSD_LENGTH = 1400
/** Infohashes that fit into one message with all else there is. */
export const MAX_LSD_INFOHASHES = 23
const MAX_COOKIE_LENGTH = 64
const MAX_LINES = 64
const REQUEST_LINE = 'BT-SEARCH * HTTP/1.1'

/**
 * The bytes of an announcement.
 *
 * @param group - `host:port` of the group it is sent to.
 */
export function encodeLsdMessage(group: string, { port, infohashes, cookie }: LsdMessage): Uint8Array {
  const lines = [REQUEST_LINE, `Host: ${group}`, `Port: ${port}`]
  for (const infohash of infohashes) lines.push(`Infohash: ${infohash}`)
  if (cookie !== undefined) lines.push(`cookie: ${cookie}`)
  return new TextEncoder().encode(lines.join('\r\n') + '\r\n\r\n\r\n')
}

/** Reads a datagram; undefined when it is no announcement. Infohashes that make no sense are left out. */
export function decodeLsdMessage(bytes: Uint8Array): LsdMessage | undefined {
  if (bytes.length > MAX_LSD_LENGTH) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const [request, ...lines] = text.split('\r\n', MAX_LINES)
  if (request !== REQUEST_LINE) return undefined
  let port: number | undefined
  let cookie: string | undefined
  const infohashes = new Set<string>()
  for (const line of lines) {
    // The head ends with an empty line.
    if (line === '') break
    const match = /^([!-9;-~]+):[ \t]*([ -~]*)$/.exec(line)
    if (match === null) return undefined
    const value = match[2]!.trimEnd()
    switch (match[1]!.toLowerCase()) {
      case 'port':
        if (port !== undefined) return undefined
        port = portOf(value)
        if (port === undefined) return undefined
        break
      case 'infohash':
        if (/^[0-9a-f]{40}$/i.test(value)) infohashes.add(value.toLowerCase())
        break
      case 'cookie':
        cookie ??= value.slice(0, MAX_COOKIE_LENGTH)
        break
      default:
    }
  }
  if (port === undefined || infohashes.size === 0) return undefined
  return { port, infohashes: [...infohashes], ...(cookie === undefined ? {} : { cookie }) }
}

function portOf(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65535 ? port : undefined
}

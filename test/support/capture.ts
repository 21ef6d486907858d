/**
 * Everything that goes in and out of a host of the test's network, captured by tcpdump and taken apart here.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from './child.js'
import type { Host } from './network.js'
import type { Scope } from './scope.js'

/** One IP packet of TCP or UDP; `payload` is what lies above. */
export interface CapturedPacket {
  readonly protocol: 'tcp' | 'udp'
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload: Buffer
}

/** Bytes before the IP packet, and where in them its type is, by link type: Ethernet, and the two of Linux's `any`. */
const LINKS: Readonly<Record<number, { readonly length: number; readonly type: number }>> = {
  1: { length: 14, type: 12 },
  113: { length: 16, type: 14 },
  276: { length: 20, type: 0 },
}

/** A capture that runs from {@link start} to {@link stop}. */
export class Capture {
  readonly #child: Child
  readonly #file: string

  private constructor(child: Child, file: string) {
    this.#child = child
    this.#file = file
  }

  /** Begins, on every interface of the host; resolves when it captures. */
  static async start(scope: Scope, host: Host): Promise<Capture> {
    const file = join(scope.folder('torrentfs-capture-'), 'packets')
    // As root: tcpdump would give up its rights, and then cannot write there. -U: nothing is lost when it is stopped.
    const child = host.start('tcpdump', ['-i', 'any', '-U', '-n', '-s', '0', '-Z', 'root', '-w', file])
    await child.printed(/listening on/, 15_000, 'stderr')
    return new Capture(child, file)
  }

  /** Ends, and returns what was seen. */
  async stop(): Promise<CapturedPacket[]> {
    // What was sent last is on its way through the kernel's ring.
    await sleep(500)
    await this.#child.stop('SIGTERM')
    return packetsOf(readFileSync(this.#file))
  }
}

function packetsOf(file: Buffer): CapturedPacket[] {
  const little = file.readUInt32LE(0) === 0xa1b2c3d4
  const number = (at: number): number => (little ? file.readUInt32LE(at) : file.readUInt32BE(at))
  const link = LINKS[number(20)]
  if (link === undefined) throw new Error(`a capture of link type ${number(20)}`)
  const packets: CapturedPacket[] = []
  for (let at = 24; at + 16 <= file.length;) {
    const length = number(at + 8)
    const frame = file.subarray(at + 16, at + 16 + length)
    at += 16 + length
    if (frame.length < link.length) continue
    const type = frame.readUInt16BE(link.type)
    const ip = frame.subarray(link.length)
    const packet = type === 0x0800 ? ipv4(ip) : type === 0x86dd ? ipv6(ip) : undefined
    if (packet !== undefined) packets.push(packet)
  }
  return packets
}

function ipv4(ip: Buffer): CapturedPacket | undefined {
  if (ip.length < 20) return undefined
  return transport(ip[9]!, ip.subarray((ip[0]! & 15) * 4, Math.max(20, ip.readUInt16BE(2))))
}

function ipv6(ip: Buffer): CapturedPacket | undefined {
  if (ip.length < 40) return undefined
  return transport(ip[6]!, ip.subarray(40, 40 + ip.readUInt16BE(4)))
}

function transport(protocol: number, bytes: Buffer): CapturedPacket | undefined {
  const udp = protocol === 17
  if ((!udp && protocol !== 6) || bytes.length < (udp ? 8 : 20)) return undefined
  return {
    protocol: udp ? 'udp' : 'tcp',
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    payload: bytes.subarray(udp ? 8 : (bytes[12]! >> 4) * 4),
  }
}

/** Whether it is a message of the DHT (BEP 5): a bencoded dictionary that says what kind of message it is. */
export function isDht({ protocol, payload }: CapturedPacket): boolean {
  return protocol === 'udp' && payload[0] === 0x64 && /1:y1:[qre]/.test(payload.toString('latin1'))
}

/** Whether it is of local discovery (BEP 14). */
export function isLocalDiscovery({ protocol, destinationPort, payload }: CapturedPacket): boolean {
  return (
    protocol === 'udp' && (destinationPort === 6771 || payload.toString('latin1').startsWith('BT-SEARCH'))
  )
}

/** Whether it carries the offer of peer exchange (BEP 11), in the clear. */
export function offersPeerExchange({ protocol, payload }: CapturedPacket): boolean {
  return protocol === 'tcp' && payload.includes('6:ut_pex')
}

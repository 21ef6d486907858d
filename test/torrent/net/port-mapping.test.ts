import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { silentLogger, type Logger } from '../../../src/torrent/logger.js'
import { defaultRouter } from '../../../src/torrent/net/nat-pmp.js'
import { PortMapping, type PortGateway } from '../../../src/torrent/net/port-mapping.js'
import { eventually } from '../../support/child.js'
import { Scope } from '../../support/scope.js'

const limit = { timeout: 60_000 }
const scope = new Scope()
after(() => scope.close())

/** A router that keeps its table where the test sees it. */
class Router implements PortGateway {
  readonly kind = 'UPnP'
  readonly table = new Map<string, string>()
  asked = 0
  refuses = new Set<string>()
  hangs = false
  shift = 0

  externalAddress(): Promise<string> {
    return Promise.resolve('8.8.4.4')
  }

  async map(protocol: 'TCP' | 'UDP', port: number, external: number, lifetimeS: number, signal: AbortSignal) {
    this.asked++
    if (this.hangs)
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    if (this.refuses.has(protocol)) throw new Error('refused')
    this.table.set(`${protocol} ${external + this.shift}`, String(port))
    return { external: external + this.shift, lifetimeS }
  }

  async unmap(protocol: 'TCP' | 'UDP', _port: number, external: number, signal: AbortSignal): Promise<void> {
    if (this.hangs)
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    this.table.delete(`${protocol} ${external}`)
  }
}

function mapping(
  find: () => Promise<PortGateway | undefined>,
  more: object = {},
): { own: PortMapping; said: string[] } {
  const said: string[] = []
  const logger: Logger = { ...silentLogger, info: (_: object, message: string) => void said.push(message) }
  const own = new PortMapping({ port: 7000, protocols: ['TCP', 'UDP'], find, logger, ...more })
  own.start()
  return { own, said }
}

describe('a mapped port', limit, () => {
  it('is there for TCP and UDP, told once, and gone at the end', async () => {
    const router = new Router()
    const { own, said } = mapping(() => Promise.resolve(router))
    await eventually('it is mapped', 10_000, () => said.length > 0)
    assert.deepEqual([...router.table.keys()], ['TCP 7000', 'UDP 7000'])
    assert.deepEqual(own.status, { by: 'UPnP', address: '8.8.4.4', tcp: 7000, udp: 7000 })
    assert.deepEqual(said, ['the router lets peers in at 8.8.4.4, port 7000 (TCP and UDP), by UPnP'])
    await own.stop()
    assert.deepEqual([...router.table.keys()], [])
    assert.equal(own.status, undefined)
  })

  it('is the one that the router prefers', async () => {
    const router = new Router()
    router.shift = 11
    const { own } = mapping(() => Promise.resolve(router))
    await eventually('it is mapped', 10_000, () => own.status?.udp !== undefined)
    assert.deepEqual([own.status?.tcp, own.status?.udp], [7011, 7022])
    await own.stop()
    assert.equal(router.table.size, 0)
  })

  it('is kept for one protocol when the other is refused', async () => {
    const router = new Router()
    router.refuses.add('UDP')
    const { own, said } = mapping(() => Promise.resolve(router))
    await eventually('it is mapped', 10_000, () => said.length > 0)
    assert.deepEqual([own.status?.tcp, own.status?.udp], [7000, undefined])
    await own.stop()
    assert.equal(router.table.size, 0)
  })

  it('is tried again when there was no router, one that failed, and one that threw', async () => {
    const router = new Router()
    router.refuses = new Set(['TCP', 'UDP'])
    let looks = 0
    const find = (): Promise<PortGateway | undefined> => {
      looks++
      if (looks === 1) return Promise.resolve(undefined)
      if (looks === 2) return Promise.reject(new Error('no network'))
      if (looks === 4) router.refuses.clear()
      return Promise.resolve(router)
    }
    const { own } = mapping(find, { retryMs: 10 })
    await eventually('it is mapped', 10_000, () => own.status !== undefined)
    assert.equal(looks, 4)
    await own.stop()
  })

  it('does not keep the end waiting for a router that hangs', async () => {
    const router = new Router()
    router.hangs = true
    const { own } = mapping(() => Promise.resolve(router), { stopMs: 100 })
    await eventually('it is asked', 10_000, () => router.asked > 0)
    await own.stop()
    await own.stop()
    assert.equal(own.status, undefined)
  })
})

describe('the next router', limit, () => {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'
  const table = (...lines: string[]): string => {
    const path = join(scope.folder(), 'route')
    writeFileSync(path, head + lines.map(line => line.replaceAll(' ', '\t') + '\n').join(''))
    return path
  }
  const lan = 'eth0 0000A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0'
  const first = 'eth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0'
  const better = 'wlan0 00000000 FE01A8C0 0003 0 0 50 00000000 0 0 0'

  for (const [title, lines, device, expected] of [
    ['is the one of the default route', [lan, first], undefined, '192.168.1.1'],
    ['is the one of the best default route', [first, better], undefined, '192.168.1.254'],
    ['is the one of a given interface', [first, better], 'eth0', '192.168.1.1'],
    ['is none without a default route', [lan], undefined, undefined],
    ['is none of another interface', [first], 'tun0', undefined],
    ['is none in nonsense', ['x', 'eth0 00000000 zz 0003 0 0 1 00000000'], undefined, undefined],
  ] as const) {
    it(title, async () => assert.equal(await defaultRouter(device, table(...lines)), expected))
  }

  it('is none where there is no such table', async () => {
    assert.equal(await defaultRouter(undefined, '/nonexistent'), undefined)
  })
})

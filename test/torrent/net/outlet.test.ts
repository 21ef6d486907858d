import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { after, describe, it } from 'node:test'
import { BoundInterface } from '../../../src/torrent/net/bound-interface.js'
import { IpFilter } from '../../../src/torrent/net/ip-filter.js'
import { RangeCollector } from '../../../src/torrent/net/ip-ranges.js'
import { Outlet, type OutletOptions } from '../../../src/torrent/net/outlet.js'
import { parseProxyUrl } from '../../../src/torrent/net/proxy-url.js'
import { TcpTransport } from '../../../src/torrent/peer/tcp-transport.js'
import { Scope } from '../../support/scope.js'

const limit = { timeout: 60_000 }
const scope = new Scope()
after(() => scope.close())

function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  scope.defer(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

/** Says what it hears back. */
async function echoServer(): Promise<number> {
  return await listen(createServer(socket => socket.pipe(socket)))
}

/** A SOCKS5 proxy that connects to one port of loopback whatever it is asked for, and tells what that was. */
async function socksServer(target: number): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = []
  const port = await listen(
    createServer(socket => {
      let stage = 0
      socket.on('data', data => {
        if (stage === 0) {
          stage = 1
          socket.write(Buffer.from([5, 0]))
        } else if (stage === 1) {
          stage = 2
          const name =
            data[3] === 3 ? data.toString('latin1', 5, 5 + data[4]!) : data.subarray(4, 8).join('.')
          asked.push(`${data[3] === 3 ? 'name' : 'address'} ${name}`)
          if (name === 'refused.example') return void socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]))
          const other = connect(target, '127.0.0.1', () => {
            socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
            socket.pipe(other).pipe(socket)
          })
          other.on('error', () => socket.destroy())
        }
      })
    }),
  )
  return { port, asked }
}

/** An HTTP proxy that does likewise; what it answers first comes in one piece with the first bytes of the tunnel. */
async function httpProxy(target: number, answer?: string): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = []
  const server = createHttpServer()
  server.on('connect', (request, socket: Socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim())
    if (answer !== undefined) return void socket.end(answer)
    const other = connect(target, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\nX: y\r\n\r\nfirst ')
      socket.pipe(other).pipe(socket)
    })
  })
  return { port: await listen(server), asked }
}

function mustNotLookUp(host: string): never {
  throw new Error(`${host} was looked up`)
}

async function talk(socket: Socket, words: string): Promise<string> {
  socket.write(words)
  let heard = ''
  socket.setEncoding('latin1')
  for await (const part of socket as AsyncIterable<string>) {
    heard += part
    if (heard.endsWith(words)) break
  }
  socket.destroy()
  return heard
}

async function outletBlocking(first: string, last: string, o: OutletOptions = {}): Promise<Outlet> {
  const ranges = new RangeCollector()
  ranges.add(first, last)
  const filter = new IpFilter()
  filter.replace(await ranges.finish())
  return new Outlet({ ...o, filter })
}

describe('the URL of a proxy', limit, () => {
  for (const [text, expected] of [
    ['socks5://host:1', { kind: 'socks5', host: 'host', port: 1, label: 'socks5://host:1' }],
    ['socks5h://host', { kind: 'socks5', host: 'host', port: 1080, label: 'socks5://host:1080' }],
    ['http://10.0.0.1', { kind: 'http', host: '10.0.0.1', port: 80, label: 'http://10.0.0.1:80' }],
    ['http://[::1]:3128/', { kind: 'http', host: '::1', port: 3128, label: 'http://[::1]:3128' }],
    [
      'socks5://u:p%40%3a@h:9',
      { kind: 'socks5', host: 'h', port: 9, user: 'u', password: 'p@:', label: 'socks5://h:9' },
    ],
  ] as const) {
    it(`is read: ${text}`, () => assert.deepEqual(parseProxyUrl(text), expected))
  }

  for (const text of [
    '',
    'host:1080',
    'socks4://h:1',
    'https://h:1',
    'socks5://',
    'socks5://h:0',
    'socks5://h:1/path',
    'socks5://:secret@h:1',
    'http://h:1?x',
    `socks5://${'u'.repeat(256)}:x@h:1`,
  ]) {
    it(`is not ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parseProxyUrl(text),
        (error: Error & { code: string }) =>
          error.code === 'ERR_TORRENTFS_ARGUMENT' &&
          error.message.startsWith('proxy: ') &&
          !error.message.includes('secret'),
      )
    })
  }
})

describe('an outlet', limit, () => {
  it('connects, to addresses and to names', async () => {
    const port = await echoServer()
    const outlet = new Outlet({ lookup: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]) })
    for (const host of ['127.0.0.1', 'some.example'])
      assert.equal(await talk(await outlet.connect({ host, port }), 'hello'), 'hello')
  })

  it('has names resolved by a SOCKS5 proxy, and never looks them up', async () => {
    const { port, asked } = await socksServer(await echoServer())
    const outlet = new Outlet({ proxy: parseProxyUrl(`socks5://127.0.0.1:${port}`), lookup: mustNotLookUp })
    assert.equal(await talk(await outlet.connect({ host: 'peer.example', port: 99 }), 'hello'), 'hello')
    assert.equal(await talk(await outlet.connect({ host: '10.1.2.3', port: 99 }), 'hello'), 'hello')
    assert.deepEqual(asked, ['name peer.example', 'address 10.1.2.3'])
    assert.equal(outlet.datagrams, false)
    await assert.rejects(outlet.resolve('peer.example'), { code: 'ERR_TORRENTFS_CONNECTION' })
    await assert.rejects(outlet.lookup('peer.example'), /left to the proxy/)
  })

  it('has names resolved by an HTTP proxy, and loses nothing that came with its answer', async () => {
    const { port, asked } = await httpProxy(await echoServer())
    const proxy = parseProxyUrl(`http://user:pw@127.0.0.1:${port}`)
    const outlet = new Outlet({ proxy, lookup: mustNotLookUp })
    assert.equal(await talk(await outlet.connect({ host: 'peer.example', port: 99 }), 'hello'), 'first hello')
    await outlet.connect({ host: '2001:db8::1', port: 7 })
    assert.deepEqual(asked, [
      `peer.example:99 Basic ${Buffer.from('user:pw').toString('base64')}`,
      `[2001:db8::1]:7 Basic ${Buffer.from('user:pw').toString('base64')}`,
    ])
  })

  it('carries a transport through a proxy, whose address stays that of the peer', async () => {
    const { port } = await socksServer(await echoServer())
    const outlet = new Outlet({ proxy: parseProxyUrl(`socks5://127.0.0.1:${port}`) })
    const transport = await TcpTransport.connect(
      { host: '10.1.2.3', port: 99 },
      new AbortController().signal,
      outlet,
    )
    assert.deepEqual(transport.address, { host: '10.1.2.3', port: 99, family: 4 })
    const heard = await new Promise<string>(resolve => {
      transport.setReceiver({
        receive: (bytes, length) => resolve(Buffer.from(bytes.subarray(0, length)).toString()),
        sent() {},
        ended() {},
      })
      transport.send([Buffer.from('through')])
      transport.resume()
    })
    assert.equal(heard, 'through')
    transport.destroy()
  })

  it('tells a proxy that fails from a peer behind it, and says once when that changes', async () => {
    const { port } = await socksServer(await echoServer())
    const states: (string | undefined)[] = []
    const at = (proxy: string): Outlet =>
      new Outlet({ proxy: parseProxyUrl(proxy), onProxyState: error => void states.push(error?.code) })
    const good = at(`socks5://127.0.0.1:${port}`)
    await assert.rejects(good.connect({ host: 'refused.example', port: 1 }), {
      code: 'ERR_TORRENTFS_CONNECTION',
      message: /^refused\.example:1: connection refused, says the proxy/,
    })
    assert.deepEqual(states, [])
    const dead = await listen(createServer())
    const closing = at(`socks5://127.0.0.1:${await listen(createServer(socket => socket.end()))}`)
    await assert.rejects(closing.connect({ host: 'a.example', port: 1 }), { code: 'ERR_TORRENTFS_PROXY' })
    await assert.rejects(closing.connect({ host: 'a.example', port: 1 }), { code: 'ERR_TORRENTFS_PROXY' })
    assert.deepEqual(states, ['ERR_TORRENTFS_PROXY'])
    assert.ok(dead > 0)
  })

  for (const [answer, code, message] of [
    [
      'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n',
      'ERR_TORRENTFS_PROXY',
      /wants a user name and a password/,
    ],
    [
      'HTTP/1.1 403 Forbidden\r\n\r\n',
      'ERR_TORRENTFS_PROXY',
      /does not connect to peer\.example:9: status 403/,
    ],
    ['HTTP/1.1 502 Bad Gateway\r\n\r\n', 'ERR_TORRENTFS_CONNECTION', /502 Bad Gateway, says the proxy/],
    ['hello\r\n\r\n', 'ERR_TORRENTFS_PROXY', /its answer is not HTTP/],
    ['x'.repeat(20_000), 'ERR_TORRENTFS_PROXY', /its answer does not end/],
    ['', 'ERR_TORRENTFS_PROXY', /it closed the connection/],
  ] as const) {
    it(`says what is wrong when an HTTP proxy answers ${JSON.stringify(answer.slice(0, 16))}`, async () => {
      const { port } = await httpProxy(0, answer)
      const outlet = new Outlet({ proxy: parseProxyUrl(`http://127.0.0.1:${port}`) })
      await assert.rejects(outlet.connect({ host: 'peer.example', port: 9 }), { code, message })
    })
  }

  it('gives up when it is told to, in the middle of a talk with a proxy too', async () => {
    const port = await listen(createServer(() => {}))
    for (const kind of ['socks5', 'http']) {
      const stop = new AbortController()
      const outlet = new Outlet({ proxy: parseProxyUrl(`${kind}://127.0.0.1:${port}`) })
      const connecting = outlet.connect({ host: 'peer.example', port: 9 }, { signal: stop.signal })
      setTimeout(() => stop.abort(), 100)
      await assert.rejects(connecting, { code: 'ERR_TORRENTFS_ABORTED' })
    }
  })

  it('goes to no address of the blocklist, whether it is named or a name leads there', async () => {
    const port = await echoServer()
    const lookup = (): Promise<{ address: string; family: 4 }[]> =>
      Promise.resolve([
        { address: '10.9.9.9', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ])
    const outlet = await outletBlocking('10.0.0.0', '10.255.255.255', { lookup })
    await assert.rejects(outlet.connect({ host: '10.1.1.1', port }), {
      message: /an address of the blocklist/,
    })
    // The other address of the name will do.
    assert.equal(
      await talk(await outlet.connect({ host: 'a.example', port }, { occasion: 'webseed' }), 'hello'),
      'hello',
    )
    const all = await outletBlocking('0.0.0.0', '255.255.255.255', { lookup })
    await assert.rejects(all.connect({ host: 'a.example', port }), { message: /an address of the blocklist/ })
    assert.deepEqual([outlet.filter.counts.dial, outlet.filter.counts.webseed], [1, 1])
  })

  it('goes out from the bound interface alone, and ends what is stranded when that loses its address', async () => {
    const port = await echoServer()
    let addresses = [{ address: '127.0.0.2', family: 'IPv4' }]
    const bound = new BoundInterface({
      name: 'test0',
      interfaces: () => ({ test0: addresses }),
      everyMs: 3_600_000,
    })
    scope.defer(() => bound.close())
    const outlet = new Outlet({ bound })
    const socket = await outlet.connect({ host: '127.0.0.1', port })
    assert.equal(socket.localAddress, '127.0.0.2')
    await assert.rejects(outlet.connect({ host: '::1', port }), {
      message: /interface test0 has no IPv6 address/,
    })
    const closed = new Promise<unknown>(resolve => socket.once('error', resolve))
    addresses = []
    bound.look()
    assert.match(String(await closed), /interface test0 lost its address/)
    assert.equal(outlet.localAddress(4), undefined)
    await assert.rejects(outlet.connect({ host: '127.0.0.1', port }), {
      message: /interface test0 has no IPv4 address/,
    })
    addresses = [{ address: '127.0.0.3', family: 'IPv4' }]
    bound.look()
    const again = await outlet.connect({ host: '127.0.0.1', port })
    assert.equal(again.localAddress, '127.0.0.3')
    again.destroy()
  })
})

describe('the bound interface', limit, () => {
  it('is found by its name or by an address, and keeps the address it had as long as it is there', () => {
    let all = [
      { address: 'fe80::1', family: 'IPv6' },
      { address: '10.0.0.1', family: 'IPv4' },
      { address: '10.0.0.2', family: 'IPv4' },
      { address: '2001:db8::1', family: 'IPv6' },
    ]
    const interfaces = (): Record<string, typeof all> => ({ tun0: all })
    const byName = new BoundInterface({ name: 'tun0', interfaces })
    const byAddress = new BoundInterface({ name: '10.0.0.2', interfaces })
    let changes = 0
    byName.onChange(() => void changes++)
    assert.deepEqual([byName.address(4), byName.address(6)], ['10.0.0.1', '2001:db8::1'])
    assert.deepEqual([byAddress.address(4), byAddress.address(6)], ['10.0.0.2', undefined])
    all = [{ address: '10.0.0.9', family: 'IPv4' }, ...all]
    byName.look()
    assert.equal(byName.address(4), '10.0.0.1')
    assert.equal(changes, 0)
    all = all.filter(({ address }) => address === '10.0.0.9')
    byName.look()
    byAddress.look()
    assert.deepEqual([byName.address(4), byName.address(6), changes], ['10.0.0.9', undefined, 1])
    assert.equal(byAddress.up, false)
    for (const bound of [byName, byAddress]) bound.close()
  })

  it('has nothing when there is no such interface, and sees the real ones', () => {
    const none = new BoundInterface({ name: 'constructor' })
    assert.equal(none.up, false)
    none.close()
    const loopback = Object.entries(networkInterfaces()).find(([, all]) =>
      all?.some(({ internal }) => internal),
    )
    const own = new BoundInterface({ name: loopback![0] })
    assert.equal(own.address(4), '127.0.0.1')
    own.close()
  })
})

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { silentLogger, type Logger } from '../../../src/torrent/logger.js'
import { Blocklist, checkBlocklistSource, type BlocklistOptions } from '../../../src/torrent/net/blocklist.js'
import { readBlocklistLine } from '../../../src/torrent/net/blocklist-line.js'
import { readBlocklist } from '../../../src/torrent/net/blocklist-reader.js'
import { downloadHttp } from '../../../src/torrent/net/http-download.js'
import { IpFilter } from '../../../src/torrent/net/ip-filter.js'
import { RangeCollector } from '../../../src/torrent/net/ip-ranges.js'
import { Outlet } from '../../../src/torrent/net/outlet.js'
import { eventually } from '../../support/child.js'
import { Scope } from '../../support/scope.js'

const limit = { timeout: 120_000 }
const scope = new Scope()
after(() => scope.close())

describe('a line of a blocklist', limit, () => {
  const lines: readonly (readonly [line: string, inside: string, outside: string])[] = [
    ['Some Company:1.2.3.0-1.2.3.255', '1.2.3.7', '1.2.4.0'],
    ['a: b, c:d - e:1.2.3.4-1.2.3.4', '1.2.3.4', '1.2.3.5'],
    ['Name # with 1.1.1.1-2.2.2.2:9.9.9.0-9.9.9.9', '9.9.9.1', '1.1.1.2'],
    [':1.2.3.4-1.2.3.5', '1.2.3.5', '1.2.3.6'],
    ['001.009.096.105 - 001.009.096.105 , 000 , Some name', '1.9.96.105', '1.9.96.106'],
    ['1.2.3.4 - 1.2.3.9 , 127 , blocked', '1.2.3.9', '1.2.3.10'],
    ['10.0.0.0/8', '10.9.8.7', '11.0.0.0'],
    ['2001:db8::/32', '2001:db8:5::1', '2001:db9::'],
    ['1.2.3.4', '1.2.3.4', '1.2.3.3'],
    ['  2001:db8::7  ', '2001:db8::7', '2001:db8::8'],
    ['1.2.3.4-1.2.3.6', '1.2.3.5', '1.2.3.7'],
    ['2001:db8::1-2001:db8::9', '2001:db8::5', '2001:db8::a'],
    ['Some net:2001:db8::1-2001:db8::9', '2001:db8::5', '2001:db8::a'],
    ['1.2.3.0/24 # a note', '1.2.3.1', '1.2.4.1'],
    ['1.2.3.0/24 ; a note\r', '1.2.3.1', '1.2.4.1'],
  ]
  for (const [line, inside, outside] of lines) {
    it(`blocks what ${JSON.stringify(line)} says`, async () => {
      const ranges = new RangeCollector()
      assert.equal(readBlocklistLine(line, ranges), 'range')
      const set = await ranges.finish()
      assert.equal(set.size, 1)
      assert.equal(set.has(inside), true)
      assert.equal(set.has(outside), false)
    })
  }

  for (const line of [
    '',
    '  ',
    '# comment',
    '// comment',
    '; comment',
    '1.2.3.4 - 1.2.3.5 , 128 , allowed',
  ]) {
    it(`blocks nothing by ${JSON.stringify(line)}`, () => {
      assert.equal(readBlocklistLine(line, new RangeCollector()), 'none')
    })
  }

  for (const line of [
    'nonsense',
    '<html>',
    '1.2.3.4-1.2.3.3',
    '1.2.3.0/33',
    'name:1.2.3.4',
    '1.2.3.4-::1',
    'x'.repeat(5000),
    ':'.repeat(4000),
    'a:'.repeat(2000) + '-',
    '-'.repeat(4000),
  ]) {
    it(`makes no sense of ${JSON.stringify(line.slice(0, 20))} (${line.length} characters)`, () => {
      assert.equal(readBlocklistLine(line, new RangeCollector()), 'broken')
    })
  }
})

describe('reading a blocklist', limit, () => {
  const folder = scope.folder('torrentfs-blocklist-')
  const write = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }

  for (const [how, pack] of [
    ['plain', (text: string): Uint8Array => Buffer.from(text)],
    ['packed with gzip', (text: string): Uint8Array => gzipSync(text)],
  ] as const) {
    it(`counts lines and names the first that makes no sense, ${how}`, async () => {
      const names = Array.from(
        { length: 5000 },
        (_, i) => `net ${i}:10.${i >> 8}.${i & 255}.0-10.${i >> 8}.${i & 255}.9`,
      )
      names.splice(3000, 0, 'nonsense \xff')
      const path = write(`list-${how.length}`, pack(`# head\r\n${names.join('\r\n')}`))
      const ranges = new RangeCollector()
      const reading = await readBlocklist(path, 'my list', ranges)
      assert.deepEqual([reading.ranges, reading.broken], [5000, 1])
      assert.match(reading.firstBroken!, /^my list:3002: "nonsense /)
      const set = await ranges.finish()
      assert.equal(set.has('10.19.135.9'), true)
      assert.equal(set.has('10.19.136.0'), false)
    })
  }

  const failures: readonly (readonly [title: string, path: () => string, message: RegExp])[] = [
    ['is not there', () => join(folder, 'missing'), /^LIST: ENOENT/],
    ['is a web page', () => write('page', '<!doctype html>\n<p>sorry</p>\n'), /^LIST:1: "<!doctype html>": no line/],
    ['is cut short in the middle of gzip', () => write('cut.gz', gzipSync('1.2.3.4\n'.repeat(9000)).subarray(0, 60)), /^LIST:?\d*: unexpected end of file/],
    ['is a picture', () => write('picture', Buffer.alloc(200_000, 0x89)), /^LIST:1: /],
  ] // prettier-ignore
  for (const [title, path, message] of failures) {
    it(`fails and names the file that ${title}`, async () => {
      await assert.rejects(readBlocklist(path(), 'LIST', new RangeCollector()), {
        code: 'ERR_TORRENTFS_BLOCKLIST',
        message,
      })
    })
  }
})

/** A server of lists that can be told to fail. */
async function listServer(): Promise<{
  url: string
  state: { list: string; status: number; asked: number }
}> {
  const state = { list: '1.2.3.4\n', status: 200, asked: 0 }
  const server: Server = createServer((request, response) => {
    state.asked++
    if (request.url?.startsWith('/moved') === true) {
      response.writeHead(302, { Location: '/list' }).end()
      return
    }
    response.writeHead(state.status).end(state.list)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  scope.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/moved?key=secret`, state }
}

function blocklist(options: Partial<BlocklistOptions> & Pick<BlocklistOptions, 'sources'>): {
  list: Blocklist
  filter: IpFilter
  warnings: string[]
} {
  const filter = new IpFilter()
  const warnings: string[] = []
  const logger: Logger = {
    ...silentLogger,
    warn: (_: object, message: string) => void warnings.push(message),
  }
  const outlet = new Outlet()
  const list = new Blocklist({
    filter,
    cacheDir: scope.folder('torrentfs-blocklist-cache-'),
    download: (url, path, signal) => downloadHttp(url, path, signal, { outlet }),
    logger,
    watchMs: 3_600_000,
    ...options,
  })
  scope.defer(() => list.close())
  return { list, filter, warnings }
}

describe('blocklists in force', limit, () => {
  it('are all lists together, and change with their files', async () => {
    const folder = scope.folder('torrentfs-blocklist-')
    const [a, b] = [join(folder, 'a'), join(folder, 'b.gz')]
    writeFileSync(a, '1.1.1.1\n')
    writeFileSync(b, gzipSync('2.2.2.2\n'))
    let changes = 0
    const { list, filter } = blocklist({ sources: [a, b], onChange: () => void changes++ })
    await list.start()
    assert.deepEqual(
      [filter.has('1.1.1.1'), filter.has('2.2.2.2'), filter.has('3.3.3.3')],
      [true, true, false],
    )
    writeFileSync(a, '3.3.3.3\n3.3.3.9\n')
    await list.refresh()
    assert.deepEqual(
      [filter.has('1.1.1.1'), filter.has('2.2.2.2'), filter.has('3.3.3.3')],
      [false, true, true],
    )
    assert.equal(changes, 1)
    await list.refresh()
    assert.equal(changes, 1)
  })

  it('are noticed to have changed without being told', async () => {
    const path = join(scope.folder('torrentfs-blocklist-'), 'list')
    writeFileSync(path, '1.1.1.1\n')
    const { list, filter } = blocklist({ sources: [path], watchMs: 20 })
    await list.start()
    writeFileSync(path, '1.1.1.1\n2.2.2.2\n')
    await eventually('the new line is in force', 30_000, () => filter.has('2.2.2.2'))
  })

  it('stay when their file breaks or goes, with one warning', async () => {
    const path = join(scope.folder('torrentfs-blocklist-'), 'list')
    writeFileSync(path, '1.1.1.1\n')
    const { list, filter, warnings } = blocklist({ sources: [path] })
    await list.start()
    writeFileSync(path, 'this is not a list\n')
    await list.refresh()
    await list.refresh()
    assert.equal(filter.has('1.1.1.1'), true)
    assert.equal(warnings.length, 1)
    assert.match(
      warnings[0]!,
      /list:1: "this is not a list": no line of a blocklist; what was blocked before still is/,
    )
  })

  it('fail the start when a file cannot be read: nothing would be blocked', async () => {
    const { list } = blocklist({ sources: ['/nonexistent/list'] })
    await assert.rejects(list.start(), {
      code: 'ERR_TORRENTFS_BLOCKLIST',
      message: /^\/nonexistent\/list: ENOENT/,
    })
  })

  it('are fetched once, kept, fetched again when old, and kept when that fails', async () => {
    const { url, state } = await listServer()
    const cacheDir = join(scope.folder('torrentfs-blocklist-'), 'cache')
    const first = blocklist({ sources: [url], cacheDir })
    await first.list.start()
    assert.equal(first.filter.has('1.2.3.4'), true)
    assert.equal(state.asked, 2)
    first.list.close()

    // The next start does not ask while what is there is young.
    const second = blocklist({ sources: [url], cacheDir })
    await second.list.start()
    await second.list.refresh()
    assert.equal(second.filter.has('1.2.3.4'), true)
    assert.equal(state.asked, 2)
    second.list.close()

    const [kept] = readdirSync(cacheDir)
    const old = Date.now() / 1000 - 25 * 3600
    utimesSync(join(cacheDir, kept!), old, old)
    state.list = '5.6.7.8\n'
    const third = blocklist({ sources: [url], cacheDir, refreshMs: 24 * 3_600_000, retryMs: 0 })
    await third.list.start()
    assert.equal(third.filter.has('1.2.3.4'), true, 'the old one until the new one is there')
    await third.list.refresh()
    assert.equal(third.filter.has('1.2.3.4'), false)
    assert.equal(third.filter.has('5.6.7.8'), true)

    utimesSync(join(cacheDir, kept!), old, old)
    third.list.close()
    const fourth = blocklist({ sources: [url], cacheDir, retryMs: 0 })
    await fourth.list.start()
    for (const failure of [
      { status: 500, list: 'oops' },
      { status: 200, list: '<html>' },
    ]) {
      Object.assign(state, failure)
      await fourth.list.refresh()
      assert.equal(fourth.filter.has('5.6.7.8'), true)
    }
    assert.match(fourth.warnings[0]!, /HTTP status 500; the old one stays in force/)
    assert.ok(fourth.warnings.every(warning => !warning.includes('secret')))
    assert.deepEqual(readdirSync(cacheDir), [kept])
  })

  it('do not keep the start when a URL was never fetched, and come into force when it is', async () => {
    const { url, state } = await listServer()
    state.status = 503
    const { list, filter, warnings } = blocklist({ sources: [url], retryMs: 0 })
    await list.start()
    assert.equal(filter.size, 0)
    assert.match(warnings[0]!, /HTTP status 503; there is none yet/)
    state.status = 200
    await list.refresh()
    assert.equal(filter.has('1.2.3.4'), true)
  })

  it('are fetched anew when what was kept is broken', async () => {
    const { url } = await listServer()
    const cacheDir = scope.folder('torrentfs-blocklist-')
    const first = blocklist({ sources: [url], cacheDir })
    await first.list.start()
    first.list.close()
    writeFileSync(join(cacheDir, readdirSync(cacheDir)[0]!), 'broken\n')
    const second = blocklist({ sources: [url], cacheDir })
    await second.list.start()
    await second.list.refresh()
    assert.equal(second.filter.has('1.2.3.4'), true)
  })

  it('leave no file behind of a fetch that was too long', async () => {
    const { url, state } = await listServer()
    state.list = '1.2.3.4\n'.repeat(100_000)
    const path = join(scope.folder('torrentfs-blocklist-'), 'file')
    const fetching = downloadHttp(new URL(url), path, new AbortController().signal, {
      outlet: new Outlet(),
      maxBytes: 10_000,
    })
    await assert.rejects(fetching, { code: 'ERR_TORRENTFS_CONNECTION', message: /more than 10000 bytes/ })
    const cacheDir = scope.folder('torrentfs-blocklist-')
    const { list } = blocklist({ sources: [url], cacheDir, download: () => Promise.reject(new Error('no')) })
    await list.start()
    assert.equal(existsSync(join(cacheDir, 'x')), false)
    assert.deepEqual(readdirSync(cacheDir), [])
  })
})

describe('a filter', limit, () => {
  it('counts what it turned away, by occasion, and lets names pass', async () => {
    const ranges = new RangeCollector()
    ranges.add('1.0.0.0', '1.0.0.255')
    const filter = new IpFilter()
    assert.equal(filter.blocks('1.0.0.1', 'dial'), false)
    filter.replace(await ranges.finish())
    assert.equal(filter.blocks('1.0.0.1', 'dial'), true)
    assert.equal(filter.blocks('::ffff:1.0.0.1', 'incoming'), true)
    assert.equal(filter.blocks('example.org', 'dial'), false)
    assert.equal(filter.has('1.0.0.1'), true)
    assert.deepEqual([filter.counts.dial, filter.counts.incoming, filter.counts.datagram], [1, 1, 0])
  })
})

describe('a source of a blocklist', limit, () => {
  for (const source of ['', 'ftp://host/list', 'http://', 'file:///list']) {
    it(`is not ${JSON.stringify(source)}`, () => {
      assert.throws(() => checkBlocklistSource(source), {
        code: 'ERR_TORRENTFS_ARGUMENT',
        message: /^blocklist: /,
      })
    })
  }
  for (const source of ['list.gz', '/a/b', 'https://host/list?x=1', 'C:\\list']) {
    it(`may be ${source}`, () => assert.doesNotThrow(() => checkBlocklistSource(source)))
  }
})

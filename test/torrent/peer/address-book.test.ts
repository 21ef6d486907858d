import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { AddressBook, type AddressSource } from '../../../src/torrent/peer/address-book.js'
import { formatAddress, type PeerAddress } from '../../../src/torrent/peer/address.js'

const at = (host: string, port = 6881): { host: string; port: number } => ({ host, port })

/** Everything `next` gives at one time. */
function all(book: AddressBook, now: number): string[] {
  const given: string[] = []
  for (let next = book.next(now); next !== undefined; next = book.next(now)) given.push(formatAddress(next))
  return given
}

test('each address is given once until it is reported back', () => {
  const book = new AddressBook()
  assert.equal(book.add(at('1.1.1.1'), 'tracker'), true)
  assert.equal(book.add(at('::ffff:1.1.1.1'), 'pex'), false)
  assert.equal(book.add(at('1.1.1.1', 6882), 'tracker'), true)
  assert.equal(book.size, 2)
  assert.deepEqual(all(book, 0), ['1.1.1.1:6881', '1.1.1.1:6882'])
  assert.equal(book.nextAt(), undefined)
})

for (const { host, port } of [
  at('1.2.3.4', 0),
  at('1.2.3.4', 65536),
  at('1.2.3.4', 1.5),
  at('0.0.0.0'),
  at('0.1.2.3'),
  at('224.0.0.1'),
  at('255.255.255.255'),
  at('::'),
  at('ff02::1'),
  at(''),
  at('two words'),
  at('a/b'),
  at('x'.repeat(300)),
]) {
  test(`${host.slice(0, 20)}:${port} is not an address of a peer`, () => {
    const book = new AddressBook()
    assert.equal(book.add({ host, port }, 'pinned'), false)
    assert.equal(book.size, 0)
  })
}

test('a name is an address', () => {
  const book = new AddressBook()
  book.add(at('Seeder.example.'), 'magnet')
  assert.deepEqual(book.next(0), { host: 'seeder.example.', port: 6881, family: 0 })
})

test('attempts that fail are made ever later, and then no more', () => {
  const book = new AddressBook()
  const address = at('1.1.1.1')
  book.add(address, 'tracker')
  let now = 0
  const waits: number[] = []
  while (book.size > 0) {
    assert.notEqual(book.next(now), undefined)
    book.failed(address, now)
    const then = book.nextAt()
    if (then === undefined) break
    assert.equal(book.next(then - 1), undefined)
    waits.push(then - now)
    now = then
  }
  assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000])
  assert.equal(book.size, 0)
})

test('a pinned address is called every ten seconds for ever', () => {
  const book = new AddressBook()
  const address = at('1.1.1.1')
  book.add(address, 'pinned')
  let now = 0
  for (let i = 0; i < 100; i++) {
    assert.notEqual(book.next(now), undefined)
    if (i % 3 === 0) book.closed(address, now, false)
    else book.failed(address, now, i % 2 === 0)
    assert.equal(book.nextAt(), now + 10_000)
    now += 10_000
  }
})

test('pinning a known address makes it callable at once', () => {
  const book = new AddressBook()
  book.add(at('1.1.1.1'), 'tracker')
  book.next(0)
  book.failed(at('1.1.1.1'), 0)
  assert.equal(book.next(1), undefined)
  book.add(at('1.1.1.1'), 'pinned')
  assert.notEqual(book.next(1), undefined)
})

test('what is hopeless is not called for long, though trackers name it again', () => {
  const book = new AddressBook()
  book.add(at('1.1.1.1'), 'tracker')
  book.next(0)
  book.failed(at('1.1.1.1'), 0, true)
  book.add(at('1.1.1.1'), 'tracker')
  assert.equal(book.nextAt(), 15 * 60_000)
})

test('a useful peer that went away is called again soon, a useless one like one that failed', () => {
  const book = new AddressBook()
  for (const host of ['1.1.1.1', '2.2.2.2']) {
    book.add(at(host), 'tracker')
    book.next(0)
    book.connected(at(host))
  }
  assert.equal(book.nextAt(), undefined)
  book.closed(at('1.1.1.1'), 0, true)
  book.closed(at('2.2.2.2'), 0, false)
  assert.deepEqual(
    [all(book, 1_999), all(book, 2_000), all(book, 5_000)],
    [[], ['1.1.1.1:6881'], ['2.2.2.2:6881']],
  )
})

test('an address whose peer connected to us is not called', () => {
  const book = new AddressBook()
  book.add(at('1.1.1.1'), 'tracker')
  book.connected(at('1.1.1.1'))
  assert.equal(book.next(0), undefined)
})

test('the pinned go first, then those that failed least, then by source', () => {
  const book = new AddressBook()
  book.add(at('1.1.1.1'), 'pex')
  book.add(at('2.2.2.2'), 'tracker')
  book.add(at('3.3.3.3'), 'tracker')
  book.add(at('4.4.4.4'), 'pinned')
  book.add(at('5.5.5.5'), 'magnet')
  for (const host of ['4.4.4.4', '5.5.5.5']) {
    assert.equal(book.next(0)?.host, host)
    book.failed(at(host), 0)
  }
  assert.deepEqual(
    all(book, 20_000).map(address => address.split(':')[0]),
    ['4.4.4.4', '2.2.2.2', '3.3.3.3', '1.1.1.1', '5.5.5.5'],
  )
})

test('with our own address known, the canonical priority decides, and we do not call ourselves', () => {
  const own = at('123.213.32.10')
  const hosts = ['98.76.54.32', '123.213.32.234', '20.30.40.50', '60.70.80.90']
  const orders = [hosts, [...hosts].reverse()].map(order => {
    const book = new AddressBook()
    book.add(own, 'tracker')
    for (const host of order.slice(0, 2)) book.add(at(host), 'tracker')
    book.setOwn(own)
    for (const host of order.slice(2)) book.add(at(host), 'tracker')
    return all(book, 0)
  })
  assert.deepEqual(orders[0], orders[1])
  assert.equal(orders[0]?.length, 4)
})

test('a banned host is forgotten, whatever its port, and not learned again', () => {
  const book = new AddressBook()
  book.add(at('1.1.1.1', 1), 'tracker')
  book.add(at('1.1.1.1', 2), 'pinned')
  book.add(at('2.2.2.2'), 'tracker')
  book.ban({ host: '::ffff:1.1.1.1', port: 1 })
  assert.equal(book.isBanned({ host: '1.1.1.1', port: 2 }), true)
  assert.equal(book.add(at('1.1.1.1', 3), 'pex'), false)
  assert.deepEqual(all(book, 0), ['2.2.2.2:6881'])
})

test('bans do not grow without end', () => {
  const book = new AddressBook()
  for (let i = 0; i < 5000; i++) book.ban({ host: `10.0.${i >> 8}.${i & 255}`, port: 1 })
  assert.equal(book.isBanned({ host: '10.0.0.0', port: 1 }), false)
  assert.equal(book.isBanned({ host: `10.0.${4999 >> 8}.${4999 & 255}`, port: 1 }), true)
})

test('a full book takes a new address only for one that failed, and pinned ones always', () => {
  const book = new AddressBook({ capacity: 3 })
  for (const host of ['1.1.1.1', '2.2.2.2', '3.3.3.3']) book.add(at(host), 'pex')
  assert.equal(book.add(at('4.4.4.4'), 'pex'), false)
  const failing = book.next(0) as PeerAddress
  book.failed(failing, 0)
  assert.equal(book.add(at('4.4.4.4'), 'pex'), true)
  assert.equal(book.add(at('5.5.5.5'), 'pinned'), true)
  assert.equal(book.size, 4)
  assert.ok(!all(book, 1e9).includes(formatAddress(failing)))
})

test('whatever is reported, it stays within its capacity, gives nothing twice and nothing too early', () => {
  const host = fc.integer({ min: 1, max: 12 }).map(n => `10.0.0.${n}`)
  const source = fc.constantFrom<AddressSource>(
    'pinned',
    'magnet',
    'tracker',
    'dht',
    'pex',
    'lsd',
    'incoming',
  )
  const step = fc.oneof(
    fc.record({ do: fc.constant('add' as const), host, source }),
    fc.record({ do: fc.constant('next' as const) }),
    fc.record({ do: fc.constantFrom('failed', 'hopeless', 'useful', 'useless', 'connected'), host }),
    fc.record({ do: fc.constant('ban' as const), host }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat({ max: 200_000 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), steps => {
      const book = new AddressBook({ capacity: 5 })
      const busy = new Set<string>()
      const pinned = new Set<string>()
      let now = 0
      for (const action of steps) {
        if (action.do === 'wait' && 'ms' in action) now += action.ms
        else if (action.do === 'add' && 'source' in action) {
          if (action.source === 'pinned' && !book.isBanned({ host: action.host, port: 1 }))
            pinned.add(action.host)
          book.add(at(action.host), action.source)
        } else if (action.do === 'next') {
          const due = book.nextAt()
          const given = book.next(now)
          assert.equal(given !== undefined, due !== undefined && due <= now)
          if (given === undefined) continue
          assert.ok(!busy.has(given.host), 'given twice')
          assert.ok(!book.isBanned(given), 'banned')
          busy.add(given.host)
        } else if ('host' in action) {
          const address = at(action.host)
          if (action.do === 'ban') book.ban({ host: action.host, port: 1 })
          else if (!busy.has(action.host)) continue
          else if (action.do === 'connected') book.connected(address)
          else {
            busy.delete(action.host)
            if (action.do === 'failed' || action.do === 'hopeless')
              book.failed(address, now, action.do === 'hopeless')
            else book.closed(address, now, action.do === 'useful')
          }
        }
        assert.ok(book.size <= 5 + pinned.size)
      }
    }),
    { numRuns: 300 },
  )
})

test('on loopback a ban is of one port: tunnels bring every peer from there', () => {
  const book = new AddressBook()
  for (const port of [1, 2]) book.add({ host: '127.0.0.1', port }, 'tracker')
  book.ban({ host: '127.0.0.1', port: 1 })
  assert.equal(book.isBanned({ host: '127.0.0.1', port: 1 }), true)
  assert.equal(book.isBanned({ host: '127.0.0.1', port: 2 }), false)
  assert.equal(book.next(0)?.port, 2)
  assert.equal(book.next(0), undefined)
})

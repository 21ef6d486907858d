import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MovedPlaces } from '../../../src/torrent/webseed/moved-places.js'
import { restMs } from '../../../src/torrent/webseed/rest.js'
import { seedAddress } from '../../../src/torrent/webseed/seed-address.js'

test('credentials leave the URL, and are for its server alone', () => {
  const address = seedAddress('https://us%40r:p%3Aw@host:8443/dir/?token=secret#frag')!
  assert.equal(address.url.href, 'https://host:8443/dir/?token=secret')
  assert.equal(address.label, 'https://host:8443/dir/?...')
  assert.equal(address.credentials?.origin, 'https://host:8443')
  assert.equal(address.credentials?.authorization, `Basic ${Buffer.from('us@r:p:w').toString('base64')}`)
  assert.equal(seedAddress('http://host/')?.credentials, undefined)
  assert.equal(seedAddress('http://%zz@host/')?.credentials?.authorization, `Basic ${btoa('%zz:')}`)
})

test('what is no URL of the web is none of a web seed', () => {
  for (const text of ['', 'ftp://h/', 'file:///etc/passwd', 'http://', 'h/x', 'javascript:1']) {
    assert.equal(seedAddress(text), undefined, text)
  }
})

test('a redirect is remembered for its URL, or for all of a server that moved as a whole', () => {
  const moved = new MovedPlaces()
  const [a, b] = [new URL('http://h/a'), new URL('http://h/b')]
  moved.note(a, new URL('http://other/x/a'), 0)
  assert.equal(moved.of(a, 1)?.href, 'http://other/x/a')
  assert.equal(moved.of(b, 1), undefined)
  moved.forget(a)
  assert.equal(moved.of(a, 1), undefined)
  moved.note(a, new URL('http://mirror/a'), 0)
  assert.equal(moved.of(b, 1)?.href, 'http://mirror/b')
  moved.forget(b)
  assert.equal(moved.of(a, 1), undefined)
  moved.note(a, new URL('http://other/x/a'), 0)
  assert.equal(moved.of(a, 3_600_000), undefined)
})

test('a web seed rests longer after each failure, or as long as it asks for, within limits', () => {
  assert.deepEqual(
    [1, 2, 3, 7, 50, 1e9].map(failures => restMs(failures, undefined)),
    [500, 1000, 2000, 30_000, 30_000, 30_000],
  )
  assert.deepEqual(
    [0, 250, 5000, 1e12].map(asked => restMs(1, asked)),
    [250, 250, 5000, 600_000],
  )
})

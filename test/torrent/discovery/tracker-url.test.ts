import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  hostOf,
  parseTrackerUrl,
  scrapeUrlOf,
  trackerLabel,
} from '../../../src/torrent/discovery/tracker-url.js'

test('http, https and udp URLs are taken, without their fragment', () => {
  const table = {
    ' http://t.example/announce#x ': 'http://t.example/announce',
    'https://t.example:444/a?k=1': 'https://t.example:444/a?k=1',
    'udp://t.example:80': 'udp://t.example:80',
    'udp://[2001:db8::1]:80/announce': 'udp://[2001:db8::1]:80/announce',
  }
  for (const [text, href] of Object.entries(table)) assert.equal(parseTrackerUrl(text)?.href, href)
})

test('anything else is not the URL of a tracker', () => {
  const bad = [
    '',
    'x',
    'wss://t/a',
    'udp://t/a',
    'udp://t:0',
    'udp:80',
    'file:///etc/passwd',
    'http://',
    'dht://x:1',
  ]
  for (const text of [...bad, `http://t/${'a'.repeat(3000)}`])
    assert.equal(parseTrackerUrl(text), undefined, text)
})

test('the label of a tracker holds none of its secrets', () => {
  assert.equal(trackerLabel(new URL('https://me:pw@t.example:81/KEY/announce?key=1')), 'https://t.example:81')
})

test('the host of an IPv6 literal has no brackets', () => {
  assert.equal(hostOf(new URL('udp://[::1]:80')), '::1')
  assert.equal(hostOf(new URL('udp://t.example:80')), 't.example')
})

test('a scrape URL is made by replacing announce at the start of the last segment', () => {
  const table: [string, string | undefined][] = [
    ['http://t/announce', 'http://t/scrape'],
    ['http://t/x/announce', 'http://t/x/scrape'],
    ['http://t/announce.php?k=1', 'http://t/scrape.php?k=1'],
    ['http://t/a', undefined],
    ['http://t/announce/x', undefined],
    ['http://t/x%064announce', undefined],
  ]
  for (const [announce, scrape] of table) assert.equal(scrapeUrlOf(new URL(announce))?.href, scrape)
})

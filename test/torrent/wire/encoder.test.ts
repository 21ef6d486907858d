import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { MessageEncoder } from '../../../src/torrent/wire/encoder.js'
import { anyItem, encode, write } from './items.js'

const hex = (encoder: MessageEncoder): string => Buffer.concat(encoder.take()).toString('hex')

const vectors: [string, (encoder: MessageEncoder) => void, string][] = [
  ['keep-alive', e => e.keepAlive(), '00000000'],
  ['choke', e => e.choke(), '0000000100'],
  ['unchoke', e => e.unchoke(), '0000000101'],
  ['interested', e => e.interested(), '0000000102'],
  ['not interested', e => e.notInterested(), '0000000103'],
  ['have', e => e.have(0x01020304), '000000050401020304'],
  ['bitfield', e => e.bitfield(Uint8Array.of(0xa5, 0x80)), '0000000305a580'],
  ['request', e => e.request(1, 0x4000, 0x4000), '0000000d06000000010000400000004000'],
  ['a block', e => e.block(2, 0x8000, Uint8Array.of(1, 2, 3)), '0000000c070000000200008000010203'],
  ['cancel', e => e.cancel(1, 0x4000, 0x4000), '0000000d08000000010000400000004000'],
  ['port', e => e.port(6881), '00000003091ae1'],
  ['suggest', e => e.suggest(5), '000000050d00000005'],
  ['have all', e => e.haveAll(), '000000010e'],
  ['have none', e => e.haveNone(), '000000010f'],
  ['reject', e => e.reject(1, 0x4000, 0x4000), '0000000d10000000010000400000004000'],
  ['allowed fast', e => e.allowedFast(0xffffffff), '0000000511ffffffff'],
  ['extended', e => e.extended(3, Uint8Array.of(0xab)), '000000031403ab'],
]
for (const [name, writeTo, expected] of vectors) {
  test(`writes ${name} as the protocol says`, () => {
    const encoder = new MessageEncoder()
    writeTo(encoder)
    assert.equal(encoder.length, expected.length / 2)
    assert.equal(hex(encoder), expected)
    assert.equal(encoder.length, 0)
    assert.deepEqual(encoder.take(), [])
  })
}

test('the payload of a block is referenced, not copied', () => {
  const encoder = new MessageEncoder()
  const payload = new Uint8Array(16384)
  encoder.block(0, 0, payload)
  assert.equal(encoder.take()[1], payload)
})

test('messages between blocks lie together in one part', () => {
  const encoder = new MessageEncoder()
  encoder.have(1)
  encoder.have(2)
  encoder.block(0, 0, new Uint8Array(4))
  encoder.have(3)
  encoder.have(4)
  assert.deepEqual(
    encoder.take().map(part => part.length),
    [18 + 13, 4, 18],
  )
})

test('what was taken stays as it is while more is written, until it is recycled', () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyItem, { maxLength: 15 }), { maxLength: 15 }), rounds => {
      const encoder = new MessageEncoder()
      const taken: Uint8Array[][] = []
      for (const items of rounds) {
        for (const item of items) write(encoder, item)
        taken.push(encoder.take())
      }
      assert.deepEqual(
        taken.map(parts => Buffer.concat(parts)),
        rounds.map(items => encode(items)),
      )
    }),
  )
})

test('with recycling between, each round comes out as it was written', () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyItem, { maxLength: 15 }), { maxLength: 15 }), rounds => {
      const encoder = new MessageEncoder()
      for (const items of rounds) {
        for (const item of items) write(encoder, item)
        assert.deepEqual(Buffer.concat(encoder.take()), encode(items))
        encoder.recycle()
      }
    }),
  )
})

test('recycling while something is not taken loses nothing', () => {
  const encoder = new MessageEncoder()
  encoder.choke()
  encoder.take()
  encoder.unchoke()
  encoder.recycle()
  assert.equal(hex(encoder), '0000000101')
})

test('a recycled encoder writes into the same memory again', () => {
  const encoder = new MessageEncoder()
  encoder.choke()
  const [first] = encoder.take()
  encoder.recycle()
  encoder.choke()
  const [second] = encoder.take()
  assert.equal(first?.buffer, second?.buffer)
  assert.equal(first?.byteOffset, second?.byteOffset)
})

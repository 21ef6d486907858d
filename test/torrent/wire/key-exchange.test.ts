import assert from 'node:assert/strict'
import { createDiffieHellman, randomBytes } from 'node:crypto'
import { test } from 'node:test'

import { KeyPair, PRIVATE_KEY_LENGTH, PUBLIC_KEY_LENGTH } from '../../../src/torrent/wire/key-exchange.js'

const prime =
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
  'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563'

/** A number as it travels. */
function wire(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(2 * PUBLIC_KEY_LENGTH, '0'), 'hex')
}

test('keys and secrets are those that OpenSSL computes', () => {
  const theirs = createDiffieHellman(prime, 'hex', 2)
  const keys = [
    Buffer.alloc(PRIVATE_KEY_LENGTH, 0xff),
    Buffer.from('0'.repeat(38) + '01', 'hex'),
    Buffer.from('f0'.repeat(PRIVATE_KEY_LENGTH), 'hex'),
    ...Array.from({ length: 20 }, () => randomBytes(PRIVATE_KEY_LENGTH)),
  ]
  for (const key of keys) {
    const name = key.toString('hex')
    theirs.setPrivateKey(key)
    const publicKey = theirs.generateKeys('hex').padStart(2 * PUBLIC_KEY_LENGTH, '0')
    const own = new KeyPair(key)
    assert.equal(Buffer.from(own.publicKey).toString('hex'), publicKey, name)
    const other = new KeyPair(randomBytes(PRIVATE_KEY_LENGTH))
    const secret = Buffer.from(own.secret(other.publicKey)).toString('hex')
    assert.equal(secret, theirs.computeSecret(other.publicKey).toString('hex'), name)
    assert.equal(secret, Buffer.from(other.secret(own.publicKey)).toString('hex'), name)
  }
})

const nobody: [string, bigint][] = [
  ['0', 0n],
  ['1', 1n],
  ['the prime less 1', BigInt(`0x${prime}`) - 1n],
  ['the prime', BigInt(`0x${prime}`)],
  ['the highest number', (1n << 768n) - 1n],
]
for (const [what, value] of nobody) {
  test(`a public key that is ${what} is refused`, () => {
    const own = new KeyPair(randomBytes(PRIVATE_KEY_LENGTH))
    assert.throws(() => own.secret(wire(value)), { name: 'ProtocolError' })
  })
}

test('numbers that begin with zeros keep their length', () => {
  // The generator itself: the private key is 1.
  const own = new KeyPair(Buffer.from('0'.repeat(38) + '01', 'hex'))
  assert.deepEqual(Buffer.from(own.publicKey), Buffer.from(wire(2n)))
  assert.deepEqual(Buffer.from(own.secret(wire(3n))), Buffer.from(wire(3n)))
})

test('a private key of another length is a mistake of ours', () => {
  assert.throws(() => new KeyPair(new Uint8Array(19)), RangeError)
})

/**
 * The key exchange of message stream encryption: Diffie-Hellman with a prime of 768 bits. It has no BEP; clients follow the
 * "Message Stream Encryption" page of the Azureus wiki.
 *
 * Pure: the private key is given. Computes with BigInt. OpenSSL takes half the time (0.2 ms of CPU against 0.4 ms for both
 * steps), but Node's `createDiffieHellman` proves the prime first, which blocks the loop for 30 ms; and that OpenSSL goes on
 * to take so short a prime is not certain.
 *
 * The secret hides traffic from filters, and no more: nobody is authenticated.
 */
import { ProtocolError } from './protocol-error.js'

/** The length of public keys and of the shared secret, in bytes. */
export const PUBLIC_KEY_LENGTH = 96
/** The length of private keys, in bytes: more is not safer with this prime. */
export const PRIVATE_KEY_LENGTH = 20

const PRIME = BigInt(
  '0xffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
    'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563',
)
const GENERATOR = 2n

/** Exponents are read as digits of four bits, the first one highest. */
const DIGITS = PRIVATE_KEY_LENGTH * 2
const DIGIT_VALUES = 16

/** By digit, the last one first, and its value: GENERATOR ** (value * 16 ** place). Made at first use, in 2 ms. */
let generatorPowers: readonly (readonly bigint[])[] | undefined

/** One side's part in an exchange. */
export interface KeyExchange {
  /** {@link PUBLIC_KEY_LENGTH} bytes, to be sent to the peer. */
  readonly publicKey: Uint8Array
  /**
   * The secret that both sides share, {@link PUBLIC_KEY_LENGTH} bytes. Costs 0.3 ms.
   *
   * @param theirs - The peer's public key, {@link PUBLIC_KEY_LENGTH} bytes.
   * @throws ProtocolError when it is no public key: anybody could then tell the secret.
   */
  secret(theirs: Uint8Array): Uint8Array
}

/** One side's keys, for one connection. */
export class KeyPair implements KeyExchange {
  readonly #digits: Uint8Array
  readonly publicKey: Uint8Array

  /** @param privateKey - {@link PRIVATE_KEY_LENGTH} random bytes. */
  constructor(privateKey: Uint8Array) {
    if (privateKey.length !== PRIVATE_KEY_LENGTH) throw new RangeError('a private key is 20 bytes')
    this.#digits = digitsOf(privateKey)
    this.publicKey = toBytes(powerOfGenerator(this.#digits))
  }

  secret(theirs: Uint8Array): Uint8Array {
    const key = fromBytes(theirs)
    if (key <= 1n || key >= PRIME - 1n) throw new ProtocolError('a public key that is none')
    return toBytes(power(key, this.#digits))
  }
}

function power(base: bigint, digits: Uint8Array): bigint {
  const powers = powersOf(base)
  let result = 1n
  for (const digit of digits) {
    for (let i = 0; i < 4; i++) result = (result * result) % PRIME
    if (digit > 0) result = (result * (powers[digit] as bigint)) % PRIME
  }
  return result
}

/** As {@link power}, without squaring: the base is known beforehand. */
function powerOfGenerator(digits: Uint8Array): bigint {
  const table = (generatorPowers ??= makeGeneratorPowers())
  let result = 1n
  for (let at = 0; at < DIGITS; at++) {
    const digit = digits[at] as number
    if (digit > 0) result = (result * (table[DIGITS - 1 - at]?.[digit] as bigint)) % PRIME
  }
  return result
}

function makeGeneratorPowers(): bigint[][] {
  const table: bigint[][] = []
  let base = GENERATOR
  for (let place = 0; place < DIGITS; place++) {
    const powers = powersOf(base)
    table.push(powers)
    base = ((powers[DIGIT_VALUES - 1] as bigint) * base) % PRIME
  }
  return table
}

/** `base` to the power of 0 to 15. */
function powersOf(base: bigint): bigint[] {
  const powers = [1n]
  for (let value = 1; value < DIGIT_VALUES; value++) {
    powers.push(((powers[value - 1] as bigint) * base) % PRIME)
  }
  return powers
}

function digitsOf(bytes: Uint8Array): Uint8Array {
  const digits = new Uint8Array(DIGITS)
  for (const [i, byte] of bytes.entries()) {
    digits[2 * i] = byte >>> 4
    digits[2 * i + 1] = byte & 15
  }
  return digits
}

function fromBytes(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`)
}

function toBytes(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(PUBLIC_KEY_LENGTH * 2, '0'), 'hex')
}

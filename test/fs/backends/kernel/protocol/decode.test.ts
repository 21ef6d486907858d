/**
 * Requests, whole and broken.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { OPCODE } from '../../../../../src/fs/backends/kernel/protocol/constants.js'
import { decodeRequest, hasNoReply } from '../../../../../src/fs/backends/kernel/protocol/decode.js'
import type { FuseRequest } from '../../../../../src/fs/backends/kernel/protocol/request.js'
import { REQUEST_SAMPLES, SAMPLE_HEAD } from './request-samples.js'

const HEADER = 40

/** A fresh copy of the sample's bytes. */
function sampleOf(opcode: keyof typeof OPCODE): Buffer {
  return Buffer.from(REQUEST_SAMPLES.find(sample => sample.opcode === opcode)!.hex, 'hex')
}

/** All of them, with fresh copies of their bytes. */
function samples(): {
  opcode: keyof typeof OPCODE
  needs: number
  bytes: Buffer
  request: FuseRequest
}[] {
  return REQUEST_SAMPLES.map(({ opcode, needs, hex, body }) => {
    return { opcode, needs, bytes: Buffer.from(hex, 'hex'), request: { ...SAMPLE_HEAD, ...body } }
  })
}

/** The same memory, the length in its header made true. */
function withTrueLength(bytes: Buffer): Buffer {
  if (bytes.length >= 4) bytes.writeUInt32LE(bytes.length, 0)
  return bytes
}

/** A request with the sample's header and another argument. */
function withArgument(opcode: keyof typeof OPCODE, ...argument: readonly Uint8Array[]): Buffer {
  return withTrueLength(Buffer.concat([sampleOf(opcode).subarray(0, HEADER), ...argument]))
}

function malformed(opcode: keyof typeof OPCODE): FuseRequest {
  return { ...SAMPLE_HEAD, type: 'malformed', opcode: OPCODE[opcode] }
}

/** Copies the bytes between others, on an odd address. */
function surrounded(bytes: Uint8Array, at: number, by: number): Buffer {
  const memory = Buffer.alloc(at + bytes.length + 64, by)
  memory.set(bytes, at)
  return memory.subarray(at, at + bytes.length)
}

describe('a request of the kernel', () => {
  it('has a sample for every opcode there is', () => {
    assert.deepEqual(
      REQUEST_SAMPLES.map(({ opcode }) => opcode),
      Object.keys(OPCODE),
    )
  })

  it('is read, wherever it lies in memory', () => {
    for (const { opcode, bytes, request } of samples()) {
      assert.equal(bytes.readUInt32LE(4), OPCODE[opcode])
      for (let at = 0; at < 9; at++) assert.deepEqual(decodeRequest(surrounded(bytes, at, 0xff)), request)
    }
  })

  it('is not believed when its length is not that of what was read', () => {
    for (const { opcode, bytes } of samples()) {
      for (let length = 0; length < bytes.length; length++)
        assert.deepEqual(
          decodeRequest(bytes.subarray(0, length)),
          length < HEADER ? undefined : malformed(opcode),
          `${opcode} of ${length} bytes`,
        )
      assert.deepEqual(decodeRequest(Buffer.concat([bytes, Buffer.alloc(1)])), malformed(opcode))
    }
  })

  it('is malformed with too short an argument, and known with the rest cut off', () => {
    for (const { opcode, bytes, needs, request } of samples())
      for (let length = HEADER; length <= bytes.length; length++) {
        const cut = withTrueLength(Buffer.from(bytes.subarray(0, length)))
        const type = length < HEADER + needs ? 'malformed' : request.type
        assert.equal(decodeRequest(surrounded(cut, 1, 0))?.type, type, `${opcode} of ${length} bytes`)
        // What lies behind it in memory is whole and tempting.
        const tempting = Buffer.concat([cut, bytes.subarray(length), bytes]).subarray(0, length)
        assert.equal(decodeRequest(tempting)?.type, type, `${opcode} of ${length} bytes`)
      }
  })

  it('may get longer in later kernels', () => {
    for (const { bytes, request } of samples())
      assert.deepEqual(decodeRequest(withTrueLength(Buffer.concat([bytes, Buffer.alloc(24, 0xee)]))), request)
  })

  it('keeps nothing of the memory it was read from', () => {
    for (const { bytes, request } of samples()) {
      const decoded = decodeRequest(bytes)
      bytes.fill(0xff)
      assert.deepEqual(decoded, request)
    }
  })

  it('is never answered when it is a FORGET, BATCH_FORGET, INTERRUPT or NOTIFY_REPLY, and else always', () => {
    const silent = Object.entries(OPCODE).flatMap(([name, number]) => (hasNoReply(number) ? [name] : []))
    assert.deepEqual(silent, ['FORGET', 'INTERRUPT', 'NOTIFY_REPLY', 'BATCH_FORGET'])
    for (const unknown of [0, 7, 19, 54, 4096, 0xffffffff]) assert.equal(hasNoReply(unknown), false)
  })

  it('of an opcode nobody knows is unknown, whatever its argument', () => {
    for (const opcode of [0, 7, 19, 54, 1000, 4096, 0xffffffff]) {
      const bytes = sampleOf('READ')
      bytes.writeUInt32LE(opcode, 4)
      assert.deepEqual(decodeRequest(bytes), { ...SAMPLE_HEAD, type: 'unknown', opcode })
    }
  })
})

describe('a 64-bit number', () => {
  const places: readonly [keyof typeof OPCODE, string, number][] = [
    ['STATFS', 'unique', 8],
    ['READ', 'unique', 8],
    ['STATFS', 'node', 16],
    ['READ', 'node', 16],
    ['READ', 'handle', HEADER],
    ['READ', 'offset', HEADER + 8],
    ['READDIR', 'handle', HEADER],
    ['READDIR', 'offset', HEADER + 8],
    ['READDIRPLUS', 'handle', HEADER],
    ['READDIRPLUS', 'offset', HEADER + 8],
    ['RELEASE', 'handle', HEADER],
    ['RELEASEDIR', 'handle', HEADER],
    ['FLUSH', 'handle', HEADER],
    ['FORGET', 'lookups', HEADER],
    ['INTERRUPT', 'target', HEADER],
    ['BATCH_FORGET', 'items.0.node', HEADER + 8],
    ['BATCH_FORGET', 'items.0.lookups', HEADER + 16],
    ['BATCH_FORGET', 'items.1.node', HEADER + 24],
    ['BATCH_FORGET', 'items.1.lookups', HEADER + 32],
  ]
  for (const [opcode, field, at] of places) {
    it(`${field} of ${opcode} is exact below 2^53, and makes the request malformed from there on`, () => {
      const bytes = sampleOf(opcode)
      for (const value of [0n, 1n, 0xffffffffn, 0x100000000n, 2n ** 53n - 1n]) {
        bytes.writeBigUInt64LE(value, at)
        assert.equal(valueAt(decodeRequest(bytes), field), Number(value))
      }
      for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
        bytes.writeBigUInt64LE(value, at)
        const request = decodeRequest(bytes)
        assert.equal(request?.type, 'malformed', `${value}`)
        // No other request and no other node may be taken for it.
        if (at < HEADER) assert.equal(valueAt(request, field), 0)
      }
    })
  }
})

/** A field of nested data by its path. */
function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], value)
}

describe('a name', () => {
  const names: readonly [string, string | Buffer, string | undefined][] = [
    ['in letters of any language', 'Käse 日本 🎬', 'Käse 日本 🎬'],
    ['longer than any file has', 'x'.repeat(300), 'x'.repeat(300)],
    ['with a byte order mark, which is part of it', Buffer.from('efbbbf61', 'hex'), '\ufeffa'],
    ['with a slash, a newline and a backslash', 'a/b\nc\\', 'a/b\nc\\'],
    ['cut within a letter', Buffer.from('61c3', 'hex'), undefined],
    ['with a lone continuation byte', Buffer.from('6180', 'hex'), undefined],
    ['in Latin-1', Buffer.from('Käse', 'latin1'), undefined],
    ['with half of a surrogate pair', Buffer.from('eda080', 'hex'), undefined],
    ['in more bytes than needed', Buffer.from('c0af', 'hex'), undefined],
    ['beyond the last letter', Buffer.from('f4908080', 'hex'), undefined],
  ]
  for (const [title, bytes, name] of names) {
    it(`${title} is ${name === undefined ? 'no name a file here can have' : 'read as it is'}`, () => {
      const ended = Buffer.concat([Buffer.from(bytes), Buffer.alloc(1)])
      assert.deepEqual(decodeRequest(withArgument('LOOKUP', ended)), { ...SAMPLE_HEAD, type: 'lookup', name })
      assert.deepEqual(decodeRequest(withArgument('GETXATTR', Buffer.alloc(8), ended)), {
        ...SAMPLE_HEAD,
        type: 'getxattr',
        name,
        size: 0,
      })
    })
  }

  it('ends at the first NUL', () => {
    const request = decodeRequest(withArgument('LOOKUP', Buffer.from('a\0b\0')))
    assert.deepEqual(request, { ...SAMPLE_HEAD, type: 'lookup', name: 'a' })
  })

  it('that is empty, or has no NUL within the request though one follows in memory, is malformed', () => {
    for (const argument of ['', '\0', '\0a\0', 'a', 'x'.repeat(255)]) {
      const lookup = withArgument('LOOKUP', Buffer.from(argument))
      const attribute = withArgument('GETXATTR', Buffer.alloc(8), Buffer.from(argument))
      assert.deepEqual(decodeRequest(surrounded(lookup, 3, 0)), malformed('LOOKUP'))
      assert.deepEqual(decodeRequest(surrounded(attribute, 3, 0)), malformed('GETXATTR'))
    }
  })
})

describe('BATCH_FORGET', () => {
  /** So many items, each of 7 lookups of node 5. */
  const batch = (count: number, items: number): Buffer => {
    const item = sampleOf('BATCH_FORGET').subarray(HEADER + 8, HEADER + 24)
    item.writeUInt32LE(7, 8)
    const bytes = withArgument('BATCH_FORGET', Buffer.alloc(8), ...Array<Buffer>(items).fill(item))
    bytes.writeUInt32LE(count, HEADER)
    return bytes
  }

  it('with a count beyond its items is malformed, though more would follow in memory', () => {
    for (const [count, items] of [
      [1, 0],
      [3, 2],
      [2 ** 28, 2],
      [0xffffffff, 2],
    ] as const)
      // prettier-ignore
      assert.deepEqual(decodeRequest(surrounded(batch(count, items), 5, 0)), malformed('BATCH_FORGET'))
  })

  it('with a count of fewer than its items has only those', () => {
    for (const count of [0, 1, 2]) {
      const items = Array.from({ length: count }, () => ({ node: 5, lookups: 7 }))
      for (const there of [count, 2])
        assert.deepEqual(decodeRequest(batch(count, there)), { ...SAMPLE_HEAD, type: 'batchForget', items })
    }
  })
})

describe('INIT', () => {
  it('is read in each of the lengths kernels have sent it in', () => {
    const whole = { major: 7, minor: 45, maxReadahead: 0x20000, flags: 0xf3fffffb, flags2: 0x800007ff }
    for (const [length, missing] of [
      [8, { maxReadahead: 0, flags: 0, flags2: 0 }],
      [16, { flags2: 0 }],
      [20, {}],
      [64, {}],
    ] as const) {
      const bytes = withTrueLength(sampleOf('INIT').subarray(0, HEADER + length))
      assert.deepEqual(decodeRequest(bytes), { ...SAMPLE_HEAD, type: 'init', ...whole, ...missing })
    }
  })
})

describe('any bytes at all', () => {
  /** Headers that are whole, with an opcode that is known more often than not; arguments as they come. */
  const anyRequest = fc
    .record({
      opcode: fc.oneof(fc.constantFrom(...Object.values(OPCODE)), fc.nat(0xffffffff)),
      ids: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      small: fc.boolean(),
      rest: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      argument: fc.uint8Array({ maxLength: 200 }),
      zeroed: fc.array(fc.nat(199), { maxLength: 60 }),
    })
    .map(({ opcode, ids, small, rest, argument, zeroed }) => {
      const bytes = Buffer.concat([Buffer.alloc(8), ids, rest, argument])
      bytes.writeUInt32LE(opcode, 4)
      if (small) bytes.fill(0, 12, 16).fill(0, 20, 24)
      for (const at of zeroed) if (at < argument.length) bytes[HEADER + at] = 0
      return withTrueLength(bytes)
    })

  it('are read without a throw into numbers that are exact, and the same in whatever memory they lie', () => {
    fc.assert(
      fc.property(fc.oneof(anyRequest, fc.uint8Array({ maxLength: 100 })), fc.nat(17), (bytes, at) => {
        const request = decodeRequest(surrounded(bytes, at, 0))
        assert.deepEqual(decodeRequest(surrounded(bytes, at + 1, 0xff)), request)
        assert.equal(request === undefined, bytes.length < HEADER)
        assertExact(request)
      }),
      { numRuns: 5000 },
    )
  })
})

function assertExact(value: unknown): void {
  if (typeof value === 'number') assert.ok(Number.isSafeInteger(value) && value >= 0, `${value}`)
  else if (typeof value === 'object' && value !== null) Object.values(value).forEach(assertExact)
}

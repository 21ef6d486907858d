/**
 * What is agreed on with each kernel.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { HEADER_LENGTH, writeInitReply } from '../../../../../src/fs/backends/kernel/protocol/encode.js'
import { negotiate, type InitOffer } from '../../../../../src/fs/backends/kernel/protocol/negotiate.js'

const WISHES = { passthrough: true, maxPages: 256, maxBackground: 65_535 }
const READAHEAD = 0x20000

/** ASYNC_READ, DO_READDIRPLUS, READDIRPLUS_AUTO, PARALLEL_DIROPS, MAX_PAGES. */
const BASIC = 0x00446001
const INIT_EXT = 0x40000000
const ASYNC_DIO = 0x8000
const PASSTHROUGH = 0x20

interface Row {
  readonly title: string
  readonly offer: Omit<InitOffer, 'maxReadahead'>
  readonly wanted?: boolean
  readonly minor: number
  readonly flags: number
  readonly passthrough: boolean
  readonly readdirplus?: boolean
  readonly maxPages?: number
}

const rows: readonly Row[] = [
  {
    title: '7.31 (Linux 5.4)',
    offer: { major: 7, minor: 31, flags: 0x03fffffb, flags2: 0 },
    minor: 31,
    flags: BASIC,
    passthrough: false,
  },
  {
    title: '7.37 (Linux 6.1)',
    offer: { major: 7, minor: 37, flags: 0x73fffffb, flags2: 0x1f },
    minor: 37,
    flags: BASIC,
    passthrough: false,
  },
  {
    title: '7.38 (Linux 6.2), which has a second word of flags but no passthrough',
    offer: { major: 7, minor: 38, flags: 0x73fffffb, flags2: 0x0d },
    minor: 38,
    flags: BASIC,
    passthrough: false,
  },
  {
    title: '7.39 with a bit that is passthrough only since 7.40',
    offer: { major: 7, minor: 39, flags: 0x73fffffb, flags2: 0x3d },
    minor: 39,
    flags: BASIC,
    passthrough: false,
  },
  {
    title: '7.40 (Linux 6.9)',
    offer: { major: 7, minor: 40, flags: 0x73fffffb, flags2: 0xfd },
    minor: 40,
    flags: BASIC | INIT_EXT,
    passthrough: true,
  },
  {
    title: '7.40 whose second word of flags is not said to be one',
    offer: { major: 7, minor: 40, flags: 0x33fffffb, flags2: 0xfd },
    minor: 40,
    flags: BASIC,
    passthrough: false,
  },
  {
    title: '7.40 built without passthrough',
    offer: { major: 7, minor: 40, flags: 0x73fffffb, flags2: 0xdd },
    minor: 40,
    flags: BASIC,
    passthrough: false,
  },
  {
    title: '7.40 when passthrough is not wanted',
    offer: { major: 7, minor: 40, flags: 0x73fffffb, flags2: 0xfd },
    wanted: false,
    minor: 40,
    flags: BASIC,
    passthrough: false,
  },
  {
    title: '7.45 (Linux 6.18), in the version known here',
    offer: { major: 7, minor: 45, flags: 0xf3fffffb, flags2: 0x7ff },
    minor: 40,
    flags: BASIC | INIT_EXT,
    passthrough: true,
  },
  {
    title: '7.99 with every bit set',
    offer: { major: 7, minor: 99, flags: 0xffffffff, flags2: 0xffffffff },
    minor: 40,
    flags: BASIC | INIT_EXT,
    passthrough: true,
  },
  {
    title: '7.45 with every bit set, as the bit operators give it',
    offer: { major: 7, minor: 45, flags: ~0, flags2: ~0 },
    minor: 40,
    flags: BASIC | INIT_EXT,
    passthrough: true,
  },
  {
    title: '7.31 that lists folders only one by one',
    offer: { major: 7, minor: 31, flags: 0x03fffffb & ~0x6000, flags2: 0 },
    minor: 31,
    flags: 0x00440001,
    passthrough: false,
    readdirplus: false,
  },
  {
    title: '7.31 without larger requests, which then have 32 pages',
    offer: { major: 7, minor: 31, flags: 0x03fffffb & ~0x400000, flags2: 0 },
    minor: 31,
    flags: 0x00046001,
    passthrough: false,
    maxPages: 32,
  },
  {
    title: '7.40 that offers nothing',
    offer: { major: 7, minor: 40, flags: 0, flags2: 0 },
    minor: 40,
    flags: 0,
    passthrough: false,
    readdirplus: false,
    maxPages: 32,
  },
]

describe('what is agreed on', () => {
  for (const {
    title,
    offer,
    wanted = true,
    minor,
    flags,
    passthrough,
    readdirplus = true,
    maxPages = 256,
  } of rows)
    // prettier-ignore
    it(`with ${title}`, () => {
      const wishes = { ...WISHES, passthrough: wanted }
      assert.deepEqual(negotiate({ ...offer, maxReadahead: READAHEAD }, wishes), {
        kind: 'agreed',
        reply: {
          minor,
          maxReadahead: READAHEAD,
          flags,
          flags2: passthrough ? PASSTHROUGH : 0,
          maxBackground: 65_535,
          congestionThreshold: 65_535,
          maxWrite: 4096,
          timeGranularityNs: 1,
          maxPages,
          maxStackDepth: passthrough ? 1 : 0,
        },
        features: { passthrough, readdirplus, maxPages },
      })
    })

  for (const [major, minor] of [
    [7, 30],
    [7, 0],
    [6, 45],
    [0, 0],
  ] as const)
    // prettier-ignore
    it(`is nothing with ${major}.${minor}, and why is said`, () => {
      const offer = { major, minor, maxReadahead: READAHEAD, flags: 0x73fffffb, flags2: 0xfd }
      const agreement = negotiate(offer, WISHES)
      assert.equal(agreement.kind, 'refused')
      assert.match('reason' in agreement ? agreement.reason : '', new RegExp(`FUSE ${major}\\.${minor}; 7\\.31 `))
    })

  for (const minor of [0, 31, 99])
    it(`is, with 8.${minor}, to be asked again in the version known here, and nothing else yet`, () => {
      const offer = { major: 8, minor, maxReadahead: READAHEAD, flags: 0xffffffff, flags2: 0xffffffff }
      const agreement = negotiate(offer, WISHES)
      assert.equal(agreement.kind, 'again')
      if (agreement.kind !== 'again') return
      const { reply } = agreement
      assert.deepEqual([reply.minor, reply.flags, reply.flags2, reply.maxStackDepth], [40, 0, 0, 0])
    })

  it('is never more than was offered, never direct reads out of order, and can always be written', () => {
    const word = fc.nat(0xffffffff)
    const anyOffer = fc.record({
      major: fc.constantFrom(7, 7, 7, 8),
      minor: fc.integer({ min: 31, max: 60 }),
      maxReadahead: word,
      flags: word,
      flags2: word,
    })
    const out = Buffer.alloc(HEADER_LENGTH + 64)
    fc.assert(
      fc.property(anyOffer, fc.boolean(), (offer, wanted) => {
        const agreement = negotiate(offer, { ...WISHES, passthrough: wanted })
        if (agreement.kind === 'refused') return assert.fail(agreement.reason)
        const { reply } = agreement
        assert.equal(reply.flags & ~offer.flags, 0)
        assert.equal(reply.flags2 & ~offer.flags2, 0)
        assert.equal(reply.flags & ASYNC_DIO, 0)
        assert.equal(reply.flags2 === 0, reply.maxStackDepth === 0)
        assert.ok(wanted || reply.flags2 === 0)
        assert.equal(writeInitReply(out, HEADER_LENGTH, reply), out.length)
        assert.equal(out.readUInt32LE(HEADER_LENGTH), 7)
      }),
    )
  })
})

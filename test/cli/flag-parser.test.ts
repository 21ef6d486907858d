import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { asksFor, describeFlags, parseFlags } from '../../src/cli/flag-parser.js'
import { UsageError } from '../../src/cli/usage-error.js'
import type { FlagTable } from '../../src/cli/flag-parser.js'

const text = (value: string): string => {
  if (value === 'bad') throw new Error('expected something good')
  return value
}

const table = {
  mountDir: { kind: 'value', placeholder: 'DIR', help: 'Where.', parse: text },
  peer: { kind: 'list', placeholder: 'HOST:PORT', help: 'Who.', parse: text },
  quiet: { kind: 'switch', help: 'Say less.' },
} as const satisfies FlagTable

describe('parseFlags', () => {
  for (const [args, expected] of [
    [[], { mountDir: undefined, peer: [], quiet: false }],
    [['-mountDir=a'], { mountDir: 'a', peer: [], quiet: false }],
    [['--mountDir=a'], { mountDir: 'a', peer: [], quiet: false }],
    [['-mountDir', 'a'], { mountDir: 'a', peer: [], quiet: false }],
    [['--mountDir', 'a'], { mountDir: 'a', peer: [], quiet: false }],
    [['-mountDir', '-a'], { mountDir: '-a', peer: [], quiet: false }],
    [['-mountDir=a=b'], { mountDir: 'a=b', peer: [], quiet: false }],
    [['-mountDir=a', '-mountDir=b'], { mountDir: 'b', peer: [], quiet: false }],
    [['-peer=a', '-quiet', '-peer', 'b'], { mountDir: undefined, peer: ['a', 'b'], quiet: true }],
    [['-quiet=true'], { mountDir: undefined, peer: [], quiet: true }],
    [['-quiet', '-quiet=false'], { mountDir: undefined, peer: [], quiet: false }],
  ] as const) {
    it(`reads ${JSON.stringify(args)}`, () => {
      assert.deepEqual(parseFlags(table, args), expected)
    })
  }

  for (const [args, message] of [
    [['-mountdir=a'], /unknown flag -mountdir \(did you mean -mountDir\?\)/],
    [['-pear=a'], /unknown flag -pear \(did you mean -peer\?\)/],
    [['-toString=a'], /unknown flag -toString$/],
    [['-__proto__=a'], /unknown flag -__proto__$/],
    [['-somethingElse'], /unknown flag -somethingElse$/],
    [['-mountDir'], /-mountDir needs a value: -mountDir=DIR/],
    [['-mountDir', '-quiet'], /-mountDir needs a value/],
    [['-mountDir', '--peer=x'], /-mountDir needs a value/],
    [['-mountDir=bad'], /-mountDir=bad: expected something good/],
    [['-quiet=maybe'], /-quiet=maybe: a switch is true or false/],
    [['-quiet', 'false'], /unexpected argument "false"/],
    [['folder'], /unexpected argument "folder"/],
    [['-'], /unexpected argument "-"/],
    [['--'], /unexpected argument "--"/],
    [['---mountDir=a'], /unexpected argument/],
    [['-=a'], /unexpected argument/],
  ] as const) {
    it(`refuses ${JSON.stringify(args)}`, () => {
      assert.throws(
        () => parseFlags(table, args),
        error => error instanceof UsageError && message.test(error.message),
      )
    })
  }

  it('gives every value back as it was given, whichever way it was written', () => {
    const values = fc.array(
      fc.string().filter(value => value !== 'bad' && !value.startsWith('-')),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(values, fc.boolean(), fc.constantFrom('-', '--'), (peers, apart, dashes) => {
        const args = peers.flatMap(peer => (apart ? [`${dashes}peer`, peer] : [`${dashes}peer=${peer}`]))
        assert.deepEqual(parseFlags(table, args).peer, peers)
      }),
    )
  })

  it('never throws anything but a UsageError', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), args => {
        try {
          parseFlags(table, args)
        } catch (error) {
          assert.ok(error instanceof UsageError)
        }
      }),
    )
  })
})

describe('asksFor', () => {
  it('finds a flag with one dash or two, wherever it stands', () => {
    assert.ok(asksFor('help', ['-mountDir=a', '-help']))
    assert.ok(asksFor('help', ['--help', '-nonsense']))
    assert.ok(!asksFor('help', ['help', '-helpful']))
    assert.ok(!asksFor('help', ['--', '-help']))
  })
})

describe('describeFlags', () => {
  it('names every flag with what it takes', () => {
    const lines = describeFlags(table).split('\n')
    assert.deepEqual(lines, [
      '  -mountDir=DIR    Where.',
      '  -peer=HOST:PORT  Who. May be given several times.',
      '  -quiet           Say less.',
    ])
  })
})

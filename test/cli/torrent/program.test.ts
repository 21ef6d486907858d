import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  defineCommand,
  defineGroup,
  list,
  maybe,
  one,
  some,
  toggle,
  value,
  valueOr,
  type Command,
} from '../../../src/cli/torrent/command.js'
import { CallError, parseCall, type Call } from '../../../src/cli/torrent/program.js'

const number = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new Error('expected a number')
  return Number(text)
}

const short = (text: string): string => {
  if (text.length > 8) throw new Error('too long')
  return text
}

const go = defineCommand({
  name: 'go',
  summary: 'go somewhere',
  hasJson: true,
  arguments: { first: one('FIRST', 'a number', { parse: number }), second: maybe('SECOND', 'a word') },
  options: {
    noDate: toggle('no date', { group: 'Details' }),
    quiet: toggle('say little', { short: 'q' }),
    pieceLength: value('SIZE', 'bytes', { parse: number }),
    speed: valueOr('N', '7', 'how fast', { parse: number }),
    tracker: list('URL', 'a tracker'),
    port: list('PORT', 'a port', { parse: number }),
  },
  examples: [['torrent go 1', 'goes to 1']],
  run: async () => undefined,
})
const commands: readonly Command[] = [
  go,
  defineCommand({
    name: 'many',
    summary: 'take many',
    arguments: { all: some('THING', 'things', { parse: short }) },
    run: async () => undefined,
  }),
  defineGroup({
    name: 'dht',
    summary: 'ask the DHT',
    commands: [defineCommand({ name: 'ping', summary: 'ping a node', run: async () => undefined })],
  }),
]

function parse(...args: string[]): { call: Call | number; stdout: string; stderr: string } {
  let stdout = ''
  let stderr = ''
  const stream = (write: (text: string) => void) => ({ isTTY: false, write }) as unknown as NodeJS.WriteStream
  const call = parseCall(commands, args, {
    stdout: stream(text => (stdout += text)),
    stderr: stream(text => (stderr += text)),
  })
  return { call, stdout, stderr }
}

function parsed(...args: string[]): Call {
  const { call } = parse(...args)
  if (typeof call === 'number') throw new Error(`not a call but status ${call}`)
  return call
}

describe('the command line of torrent', () => {
  it('is read into values, by the names of the description', () => {
    const call = parsed(
      ...['go', '-q', '12', '--tracker', 'b', '--no-date', 'x', '--tracker=a', '--piece-length=5', '--json'],
    )
    assert.equal(call.name, 'torrent go')
    assert.equal(call.json, true)
    assert.equal(call.command, go)
    assert.deepEqual(call.input, {
      first: 12,
      second: 'x',
      noDate: true,
      quiet: true,
      pieceLength: 5,
      speed: 7,
      tracker: ['b', 'a'],
      port: [],
    })
  })

  it('gives what was left out as off, undefined, empty or the default', () => {
    assert.deepEqual(parsed('go', '1').input, {
      first: 1,
      second: undefined,
      noDate: false,
      quiet: false,
      pieceLength: undefined,
      speed: 7,
      tracker: [],
      port: [],
    })
    assert.equal(parsed('go', '1').json, false)
  })

  it('takes all that is left for an argument that may be many, and the last of an option given twice', () => {
    assert.deepEqual(parsed('many', 'a', '--', '-b').input, { all: ['a', '-b'] })
    assert.equal(parsed('go', '1', '--speed', '1', '--speed', '2').input['speed'], 2)
  })

  it('finds a command below another', () => {
    assert.equal(parsed('dht', 'ping').name, 'torrent dht ping')
  })

  const wrong: readonly (readonly [args: readonly string[], command: string, message: RegExp])[] = [
    [['og'], 'torrent', /^unknown command 'og' \(did you mean go\?\)$/],
    [['--nothing'], 'torrent', /^unknown option '--nothing'$/],
    [['go'], 'torrent go', /^missing required argument 'FIRST'$/],
    [['many'], 'torrent many', /^missing required argument 'THING'$/],
    [['go', 'x'], 'torrent go', /^FIRST x: expected a number$/],
    [['go', '1', '2', '3'], 'torrent go', /^too many arguments/],
    [['go', '1', '--trackr', 'x'], 'torrent go', /^unknown option '--trackr' \(did you mean --tracker\?\)$/],
    [['go', '1', '--speed', 'x'], 'torrent go', /^--speed=x: expected a number$/],
    [['go', '1', '--port=1', '--port=x', '--port=2'], 'torrent go', /^--port=x: expected a number$/],
    [['many', 'a', 'very-very-long', 'b'], 'torrent many', /^THING very-very-long: too long$/],
    [['go', '1', '--speed'], 'torrent go', /^option '--speed <N>' argument missing$/],
    [['go', '1', '--quiet=2'], 'torrent go', /^unknown option '--quiet=2'/],
    [['dht', 'pong'], 'torrent dht', /^unknown command 'pong' \(did you mean ping\?\)$/],
  ]
  for (const [args, command, message] of wrong) {
    it(`says in one line what is wrong with "${args.join(' ')}"`, () => {
      assert.throws(
        () => parse(...args),
        (error: unknown) => {
          assert.ok(error instanceof CallError)
          assert.equal(error.command, command)
          assert.match(error.message, message)
          return true
        },
      )
    })
  }

  it('prints help where it is asked for, with every option and the examples', () => {
    const { call, stdout, stderr } = parse('go', '--help')
    assert.equal(call, 0)
    assert.equal(stderr, '')
    assert.match(stdout, /^Usage: torrent go \[options\] <FIRST> \[SECOND\]$/m)
    for (const option of ['--no-date', '-q, --quiet', '--piece-length <SIZE>', '--speed <N>', '--json']) {
      assert.ok(stdout.includes(`  ${option} `), `${option} in ${stdout}`)
    }
    assert.match(stdout, /how fast \(default: 7\)/)
    assert.match(stdout, /^Details:$/m)
    assert.match(stdout, /^Examples:\n {2}torrent go 1\n {6}goes to 1$/m)
    assert.match(parse('help', 'many').stdout, /^Usage: torrent many/)
    assert.match(parse('--version').stdout, /^\d+\.\d+\.\d+\n$/)
  })

  it('prints help to standard error, and fails, where a command is missing', () => {
    for (const [args, usage] of [
      [[], /^Usage: torrent COMMAND/],
      [['dht'], /^Usage: torrent dht COMMAND/],
    ] as const) {
      const { call, stdout, stderr } = parse(...args)
      assert.equal(call, 2)
      assert.equal(stdout, '')
      assert.match(stderr, usage)
    }
  })
})

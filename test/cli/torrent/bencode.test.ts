/** `torrent bencode`: the two forms against each other, and the command as a user runs it. */
import assert from 'node:assert/strict'
import { writeFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { fromJson, toJson } from '../../../src/cli/torrent/bencode-json.js'
import { decodeBencode, encodeBencode, type BencodeInput } from '../../../src/torrent/entries/bencode.js'
import type { Outcome } from '../../support/child.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const scope = new Scope()
after(() => scope.close())
const folder = scope.folder('torrentfs-bencode-')

async function bencode(args: readonly string[], input?: string): Promise<Outcome> {
  return torrentCommand(scope, ['bencode', ...args], { cwd: folder, ...(input !== undefined && { input }) })
}

const anyValue: fc.Arbitrary<BencodeInput> = fc.letrec<{ value: BencodeInput }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.bigInt(),
    fc.uint8Array({ maxLength: 8 }),
    fc.string({ maxLength: 8 }),
    fc.constantFrom('hex:', 'hex:ff', 'i5', 't"', '"\\', '1e5', '\u0000'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.uint8Array({ maxLength: 4 }), tie('value')), { maxLength: 4 })
      .map(entries => new Map(entries.map(([key, item]) => [Buffer.from(key).toString('latin1'), item]))),
  ),
})).value

describe('bencode as JSON', () => {
  it('comes back as the same bytes, whatever it holds', () => {
    fc.assert(
      fc.property(anyValue, fc.constantFrom(0, 2), (value, indent) => {
        const bytes = encodeBencode(value)
        const json = toJson(decodeBencode(bytes), indent)
        JSON.parse(json)
        assert.deepEqual(Buffer.from(encodeBencode(fromJson(json))), Buffer.from(bytes), json)
      }),
      { numRuns: 500 },
    )
  })

  it('is JSON as others write it, too', () => {
    assert.equal(
      toJson(decodeBencode(encodeBencode({ b: [1, 'x', []], a: {} })), 2),
      JSON.stringify({ a: {}, b: [1, 'x', []] }, undefined, 2),
    )
    const escaped = ' { "a\\u00e9\\"1" : [ "12", 12 , -3 ] } '
    assert.equal(Buffer.from(encodeBencode(fromJson(escaped))).toString(), 'd5:aé"1l2:12i12ei-3eee')
  })
})

describe('torrent bencode', { timeout: 120_000 }, () => {
  it('prints JSON in which all digits and all bytes are left', async () => {
    const bytes = Buffer.concat([
      Buffer.from('d1:bi123456789012345678901234567890e3:bin2:'),
      Buffer.from([0xff, 0x00]),
      Buffer.from('4:text3:é!e'),
    ])
    writeFileSync(join(folder, 'x'), bytes)
    const { code, stdout, stderr } = await bencode(['json', 'x', '--compact'])
    assert.equal(code, 0, stderr)
    assert.equal(stdout, '{"b":123456789012345678901234567890,"bin":"hex:ff00","text":"é!"}\n')
    const back = await bencode(['encode', '-', '-o', 'back'], stdout)
    assert.equal(back.code, 0, back.stderr)
    assert.deepEqual(readFileSync(join(folder, 'back')), bytes)
    const again = await bencode(['encode', '-', '-o', 'back'], stdout)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /^torrent bencode encode: cannot write back: it is there already/)
  })

  it('takes what BEP 3 forbids on request alone', async () => {
    const strict = await bencode(['json', '-'], 'd1:bi1e1:ai2ee')
    assert.equal(strict.code, 1)
    assert.match(strict.stderr, /^torrent bencode json: standard input: invalid bencode at byte /)
    const lenient = await bencode(['json', '-', '--lenient', '--compact'], 'd1:bi1e1:ai2ee')
    assert.equal(lenient.stdout, '{"b":1,"a":2}\n')
  })

  const wrong: readonly (readonly [
    args: readonly string[],
    input: string,
    status: number,
    message: RegExp,
  ])[] = [
    [['json'], '', 2, /json: missing required argument 'FILE'/],
    [['json', '-'], '', 1, /json: standard input: invalid bencode at byte 0/],
    [['json', '-'], 'i1ei2e', 1, /bytes after the value/],
    [['json', 'absent'], '', 1, /cannot read absent: no such file/],
    [['encode', '-'], '{"a":', 1, /encode: standard input: .*JSON/],
    [['encode', '-'], '{"a":[1.5]}', 1, /standard input: \$\.a\[0\] is 1\.5: bencode has integers/],
    [['encode', '-'], '{"a":null}', 1, /\$\.a is null/],
    [['encode', '-'], '["hex:f"]', 1, /\$\[0\]: hex: must be followed by pairs of digits/],
    [['yaml'], '', 2, /^torrent bencode: unknown command 'yaml'/],
  ]
  for (const [args, input, status, message] of wrong) {
    it(`ends with ${status} and one line for "bencode ${args.join(' ')}" of ${JSON.stringify(input)}`, async () => {
      const { code, stdout, stderr } = await bencode(args, input)
      assert.equal(code, status, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.match(stderr, /^[^\n]+\n$/)
    })
  }
})

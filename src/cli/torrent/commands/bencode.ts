/**
 * `torrent bencode`: bencode to JSON and back.
 */

import { defineCommand, defineGroup, one, toggle, value } from '../command.js'
import { inputLabel, readInput } from '../input.js'
import { writeOutput } from '../output.js'

const FORM =
  'Strings that are not UTF-8 are "hex:..." with two digits a byte, as is text that begins with "hex:" itself. Integers ' +
  'keep all their digits.'

const file = one('FILE', 'a path, an HTTP(S) URL, or - for standard input', { complete: 'file' })

const json = defineCommand({
  name: 'json',
  summary: 'print bencode as JSON',
  description: `Prints bencode as JSON. ${FORM} "torrent bencode encode" gives the same bytes back.`,
  arguments: { file },
  options: {
    compact: toggle('on one line'),
    lenient: toggle('take unsorted keys and other things that BEP 3 forbids'),
  },
  examples: [
    ['torrent bencode json film.torrent | less', 'everything in a torrent file, whatever it is'],
    ['torrent bencode json film.torrent --compact | jq .info.name', 'one value of it'],
  ],
  run: async (context, { file, compact, lenient }) => {
    const { decodeBencode } = await import('../../../torrent/entries/bencode.js')
    const { toJson } = await import('../bencode-json.js')
    const bytes = await readInput(context, file)
    try {
      context.print(toJson(decodeBencode(bytes, { lenient }), compact ? 0 : 2))
    } catch (error) {
      throw new Error(`${inputLabel(file)}: ${(error as Error).message}`, { cause: error })
    }
  },
})

const encode = defineCommand({
  name: 'encode',
  summary: 'make bencode of JSON',
  description: `Makes bencode of JSON, keys sorted. ${FORM} Fractions, true, false and null have no bencode.`,
  arguments: { file },
  options: {
    output: value('FILE', 'where it goes; standard output by default', { short: 'o', complete: 'file' }),
    force: toggle('replace the output if it is there', { short: 'f' }),
  },
  examples: [
    [`echo '{"a": [1, "x"]}' | torrent bencode encode -`, 'prints d1:ali1e1:xee'],
    [
      'torrent bencode json a.torrent | sed s/old.example/new.example/ | torrent bencode encode - -o b.torrent',
      'changes a tracker',
    ],
  ],
  run: async (context, { file, output = '-', force }) => {
    const { encodeBencode } = await import('../../../torrent/entries/bencode.js')
    const { fromJson } = await import('../bencode-json.js')
    const bytes = await readInput(context, file)
    let encoded
    try {
      encoded = encodeBencode(fromJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    } catch (error) {
      throw new Error(`${inputLabel(file)}: ${(error as Error).message}`, { cause: error })
    }
    await writeOutput(context, output, encoded, { force })
  },
})

/** Describes the commands. */
export const bencode = defineGroup({
  name: 'bencode',
  summary: 'turn bencode into JSON and back',
  commands: [json, encode],
})

/**
 * `torrent create`: a torrent file of a file or folder.
 */

import { basename, resolve, sep } from 'node:path'
import type { CreateTorrentOptions } from '../../../torrent/entries/metainfo.js'
import { parseCount, parseSize } from '../../flag-values.js'
import { UsageError } from '../../usage-error.js'
import { packageVersion } from '../../version.js'
import { defineCommand, list, one, toggle, value } from '../command.js'
import { printable, type Context } from '../context.js'
import { checkOutput, writeOutput } from '../output.js'
import { ByteProgress } from '../byte-progress.js'
import { formatBytes, formatCount } from '../quantities.js'

const SMALLEST_PIECE = 16 * 1024
const LARGEST_PIECE = 512 * 1024 * 1024

/** Other programs take powers of two from 16 KiB and nothing else. */
function parsePieceLength(text: string): number {
  const bytes = parseSize(text)
  const isPower = bytes > 0 && Number.isInteger(Math.log2(bytes))
  if (!isPower || bytes < SMALLEST_PIECE || bytes > LARGEST_PIECE)
    throw new Error('expected a power of two from 16KiB to 512MiB, such as 256KiB')
  return bytes
}

/** Trackers of one tier. */
function parseTier(text: string): readonly string[] {
  const urls = text.split(',').map(url => url.trim())
  for (const url of urls) {
    if (!/^(https?|udp|wss?):\/\/./i.test(url) || /\s/.test(url) || !URL.canParse(url))
      throw new Error('expected URLs of http, https or udp, with commas between those of one tier')
  }
  return urls
}

function parseWebSeed(text: string): string {
  if (!/^(https?|ftp):\/\/./i.test(text) || !URL.canParse(text))
    throw new Error('expected a URL of http or https')
  return text
}

function parseName(text: string): string {
  if (text === '' || text === '.' || text === '..' || /[/\0]/.test(text))
    throw new Error('expected the name of a file or folder')
  return text
}

/** Describes the command. */
export const create = defineCommand({
  name: 'create',
  summary: 'make a torrent file of a file or folder',
  description:
    'Makes a torrent file of a file or folder. The same content gives the same infohash, whoever makes it: files come in ' +
    'the order of the bytes of their paths. Hidden and empty files count, empty folders do not. Symbolic links in a ' +
    'folder are left out (with a note) unless --follow-links is given. A file that cannot be read, or changes while it ' +
    'is read, ends the command.',
  hasJson: true,
  arguments: { root: one('ROOT', 'the file or folder', { complete: 'file' }) },
  options: {
    output: value('FILE', 'where it goes; - for standard output; NAME.torrent by default', {
      short: 'o',
      complete: 'file',
    }),
    force: toggle('replace the output if it is there', { short: 'f' }),
    tracker: list('URL,...', 'a tier of trackers, the first one asked first', {
      short: 't',
      parse: parseTier,
    }),
    webSeed: list('URL', 'where the content lies on the web', { short: 'w', parse: parseWebSeed }),
    pieceLength: value('SIZE', 'bytes in a piece: a power of two; by default some 1,000 to 2,000 pieces', {
      short: 'l',
      parse: parsePieceLength,
    }),
    private: toggle('let peers come from the trackers alone (BEP 27)', { short: 'p' }),
    name: value('NAME', "the torrent's name, if not ROOT's", { short: 'n', parse: parseName }),
    comment: value('TEXT', 'what there is to say of it', { short: 'c' }),
    source: value('TEXT', 'a mark that makes another infohash, as private trackers want it', { short: 's' }),
    createdBy: value('TEXT', 'the program that made it; this one by default'),
    noCreator: toggle('do not say what made it'),
    noDate: toggle('do not say when it was made (SOURCE_DATE_EPOCH sets the time)'),
    skipHidden: toggle('leave out what begins with a dot'),
    followLinks: toggle('take what symbolic links point to'),
    workers: value('N', 'threads that hash; as many as there are cores, up to 4, by default', {
      parse: parseCount,
    }),
  },
  examples: [
    ['torrent create --tracker udp://tracker.example:6969/announce film.mkv', 'writes film.mkv.torrent'],
    [
      'torrent create -t http://a.example/announce,http://b.example/announce -t udp://c.example:80 photos',
      'two tiers of trackers: the first two are equals, the third is for when both fail',
    ],
    ['torrent create --no-date --no-creator -o - photos | sha256sum', 'the same bytes each time'],
  ],
  run: async (context, input) => {
    const { root, force, workers } = input
    const name = input.name ?? basename(resolve(root))
    if (name === '') throw new UsageError(`ROOT ${root} has no name: give one with --name`)
    const output = input.output ?? `${name}.torrent`
    if (output === '-' && context.json) throw new UsageError('--json needs another --output than -')
    const { createTorrent, parseMetainfo } = await import('../../../torrent/entries/metainfo.js')
    if (output !== '-' && `${resolve(output)}${sep}`.startsWith(`${resolve(root)}${sep}`))
      context.warn(`${output} lies in ROOT: it will be part of the content the next time`)
    await checkOutput(output, { force })
    const progress = await ByteProgress.begin(context, 'hashing')
    let bytes: Uint8Array
    try {
      bytes = await createTorrent(root, {
        ...fieldsOf(input),
        name,
        signal: context.signal,
        onProgress: (done, total) => progress.update(done, total),
        onSkipped: (path, reason) => context.warn(`left out ${printable(path)}: ${reason}`),
        ...(workers !== undefined && { workers }),
      })
    } finally {
      progress.end()
    }
    const { info } = parseMetainfo(bytes)
    if (info.length === 0)
      throw new Error(`there is not one byte in ${root}: no program takes such a torrent`)
    await writeOutput(context, output, bytes, { force })
    const figures = {
      output,
      infohash: info.infohash,
      name: info.name,
      length: info.length,
      files: info.files.length,
      pieces: info.geometry.pieceCount,
      pieceLength: info.pieceLength,
    }
    if (context.json) context.printJson(figures)
    else if (output !== '-') report(context, figures)
  },
})

interface Figures {
  readonly output: string
  readonly infohash: string
  readonly length: number
  readonly files: number
  readonly pieces: number
  readonly pieceLength: number
}

function report(context: Context, o: Figures): void {
  context.print(
    `${printable(o.output)}: ${formatCount(o.files, 'file')}, ${formatBytes(o.length)}, ` +
      `${formatCount(o.pieces, 'piece')} of ${o.pieceLength / 1024} KiB`,
  )
  context.print(`infohash ${o.infohash}`)
}

/** What is given on to the library as it is. */
function fieldsOf(input: {
  readonly tracker: readonly (readonly string[])[]
  readonly webSeed: readonly string[]
  readonly pieceLength: number | undefined
  readonly private: boolean
  readonly comment: string | undefined
  readonly source: string | undefined
  readonly createdBy: string | undefined
  readonly noCreator: boolean
  readonly noDate: boolean
  readonly skipHidden: boolean
  readonly followLinks: boolean
}): CreateTorrentOptions {
  const { pieceLength, comment, source } = input
  return {
    trackers: input.tracker,
    webSeeds: input.webSeed,
    private: input.private,
    skipHidden: input.skipHidden,
    followLinks: input.followLinks,
    ...(pieceLength !== undefined && { pieceLength }),
    ...(comment !== undefined && { comment }),
    ...(source !== undefined && { source }),
    ...(!input.noCreator && { createdBy: input.createdBy ?? `torrentfs/${packageVersion()}` }),
    ...(!input.noDate && { creationDate: dateOf(process.env['SOURCE_DATE_EPOCH']) }),
  }
}

/** ms since 1970. @param epoch seconds since 1970, from those who build the same things again */
function dateOf(epoch: string | undefined): number {
  return epoch !== undefined && /^\d{1,12}$/.test(epoch) ? Number(epoch) * 1000 : Date.now()
}

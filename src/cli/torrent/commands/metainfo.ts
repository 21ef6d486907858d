/**
 * `torrent metainfo`: what stands in a torrent file.
 */

import type { Metainfo } from '../../../torrent/entries/metainfo.js'
import { UsageError } from '../../usage-error.js'
import { defineCommand, maybe, one, toggle } from '../command.js'
import { printable, type Context } from '../context.js'
import { inputLabel, readInput } from '../input.js'
import { formatBytes, formatCount } from '../quantities.js'

const ACTIONS = ['pprint', 'magnet', 'infohash', 'files', 'piece-length', 'validate'] as const
type Action = (typeof ACTIONS)[number]

function isAction(text: string): text is Action {
  return (ACTIONS as readonly string[]).includes(text)
}

/** Describes the command. */
export const metainfo = defineCommand({
  name: 'metainfo',
  summary: 'show what stands in a torrent file',
  description:
    'Shows what stands in a torrent file. ACTION is one of: pprint (the default; everything for people), magnet (its ' +
    'magnet link), infohash, files (length and path of each), piece-length, validate (what other programs may not ' +
    'like; fails when the file is of no use). It may stand before FILE too.',
  hasJson: true,
  arguments: {
    file: one('FILE', 'a path, an HTTP(S) URL, or - for standard input', { complete: 'file' }),
    action: maybe('ACTION', ACTIONS.join(', '), { complete: ACTIONS }),
  },
  options: {
    files: toggle('pprint: with the files'),
    pieceHashes: toggle('pprint: with the SHA-1 of each piece'),
    justName: toggle("pprint: nothing but the torrent's name"),
  },
  examples: [
    ['torrent metainfo film.torrent --files', 'everything that stands in it'],
    ['torrent metainfo film.torrent magnet', 'its magnet link'],
    ['torrent metainfo http://example.com/film.torrent infohash', 'the infohash of a file on the web'],
    ['torrent create -o - photos | torrent metainfo - validate', 'checks what comes out of another program'],
  ],
  run: async (context, { file, action: second, files, pieceHashes, justName }) => {
    const [source, action] = placesOf(file, second)
    if (action !== 'pprint' && (files || pieceHashes || justName))
      throw new UsageError(`--files, --piece-hashes and --just-name are for pprint, not for ${action}`)
    const bytes = await readInput(context, source)
    if (action === 'validate')
      return (await import('../metainfo-check.js')).checkMetainfo(context, source, bytes)
    const { formatMagnet, parseMetainfo } = await import('../../../torrent/entries/metainfo.js')
    let parsed: Metainfo
    try {
      parsed = parseMetainfo(bytes)
    } catch (error) {
      throw new Error(`${inputLabel(source)}: ${(error as Error).message}`, { cause: error })
    }
    const { info } = parsed
    const print = (key: string, value: string | number): void =>
      context.json ? context.printJson({ [key]: value }) : context.print(String(value))
    switch (action) {
      case 'magnet':
        return print('magnet', formatMagnet({ ...parsed, infohash: info.infohash, name: info.name }))
      case 'infohash':
        return print('infohash', info.infohash)
      case 'piece-length':
        return print('pieceLength', info.pieceLength)
      case 'files':
        return printFiles(context, parsed)
      case 'pprint':
        if (justName) return print('name', context.json ? info.name : printable(info.name))
        if (context.json) return context.printJson(plainOf(parsed, { pieceHashes }))
        return pprint(context, parsed, { files, pieceHashes })
    }
  },
})

/** FILE and ACTION come in either order. */
function placesOf(first: string, second: string | undefined): readonly [file: string, action: Action] {
  if (second === undefined) {
    if (isAction(first)) throw new UsageError(`the FILE to show the ${first} of is missing`)
    return [first, 'pprint']
  }
  if (isAction(second)) return [first, second]
  if (isAction(first)) return [second, first]
  throw new UsageError(`no such action: ${second}; there are ${ACTIONS.join(', ')}`)
}

interface FileLine {
  readonly path: string
  readonly length: number
}

/** The files as they lie on disk: below the torrent's name when there are several; no padding. */
function filesOf({ info }: Metainfo): FileLine[] {
  return info.files
    .filter(file => !file.pad)
    .map(({ path, length }) => ({ path: path.join('/'), length }))
    .map(file => (info.multiFile ? { ...file, path: `${info.name}/${file.path}` } : file))
}

function printFiles(context: Context, parsed: Metainfo): void {
  const files = filesOf(parsed)
  if (context.json) return context.printJson(files)
  for (const { path, length } of files) context.print(`${length}\t${printable(path)}`)
}

function hashesOf({ info }: Metainfo): string[] {
  const hex = Buffer.from(info.pieceHashes).toString('hex')
  return hex.match(/.{40}/g) ?? []
}

function plainOf(parsed: Metainfo, o: { readonly pieceHashes: boolean }): object {
  const { info, trackers, webSeeds, httpSeeds, nodes, creationDate, comment, createdBy } = parsed
  return {
    name: info.name,
    infohash: info.infohash,
    length: info.length,
    pieceLength: info.pieceLength,
    pieces: info.geometry.pieceCount,
    private: info.private,
    hybrid: info.hybrid,
    trackers,
    webSeeds,
    httpSeeds,
    nodes,
    comment,
    createdBy,
    creationDate: creationDate === undefined ? undefined : new Date(creationDate).toISOString(),
    files: filesOf(parsed),
    pieceHashes: o.pieceHashes ? hashesOf(parsed) : undefined,
  }
}

function pprint(
  context: Context,
  parsed: Metainfo,
  o: { readonly files: boolean; readonly pieceHashes: boolean },
): void {
  const { info } = parsed
  const files = filesOf(parsed)
  const line = (key: string, value: string): void => {
    context.print(`${context.colours.bold(key.padEnd(14))}${printable(value)}`)
  }
  line('name', info.name)
  line('infohash', info.infohash)
  line('length', `${info.length} (${formatBytes(info.length)}) in ${formatCount(files.length, 'file')}`)
  line('pieces', `${info.geometry.pieceCount} of ${info.pieceLength} bytes`)
  if (info.private) line('private', 'yes: peers come from the trackers alone')
  if (info.hybrid) line('hybrid', 'yes: it has a half of version 2 too')
  parsed.trackers.forEach((tier, index) => {
    for (const url of tier) line(`tracker ${index + 1}`, url)
  })
  for (const url of parsed.webSeeds) line('web seed', url)
  for (const url of parsed.httpSeeds) line('http seed', url)
  for (const { host, port } of parsed.nodes)
    line('node', `${host.includes(':') ? `[${host}]` : host}:${port}`)
  if (parsed.comment !== undefined) line('comment', parsed.comment)
  if (parsed.createdBy !== undefined) line('created by', parsed.createdBy)
  if (parsed.creationDate !== undefined) line('created', new Date(parsed.creationDate).toISOString())
  if (o.files) for (const { path, length } of files) line('file', `${length}\t${path}`.replace('\t', ' '))
  if (o.pieceHashes) hashesOf(parsed).forEach((hash, index) => line(`piece ${index}`, hash))
}

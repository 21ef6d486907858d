/**
 * The names of a torrent's files as its maker wrote them, for places that know the content by those: web seeds (BEP 19).
 *
 * Owns nothing but views into the info dictionary. What comes out is a stranger's: it must never become a path on a disk
 * (`safe-path` makes those).
 */
import { BencodeNode } from './bencode-node.js'
import { utf8Text } from './safe-path.js'

/** Bytes of one name, and the text they are, if they are UTF-8. */
export interface RawName {
  readonly bytes: Uint8Array
  readonly text: string | undefined
}

const FILE_KEYS = ['path', 'path.utf-8'] as const

/** Names by file. Made when somebody needs it; it takes one walk through the dictionary. */
export class RawNames {
  /** The torrent's own; undefined when it has none. */
  readonly name: RawName | undefined
  readonly #files: readonly BencodeNode[]

  /** @param raw an info dictionary that `parseInfo` took */
  constructor(raw: Uint8Array) {
    const keys = BencodeNode.scan(raw).root.pick(['files', 'name', 'name.utf-8'])
    this.name = nameOf(keys['name.utf-8'], keys.name)
    this.#files = [...(keys.files?.items() ?? [])]
  }

  /** The components of a file below the torrent's root, by its position in the torrent; none when it has no names. */
  pathOf(file: number): readonly RawName[] {
    const keys = this.#files[file]?.pick(FILE_KEYS)
    return pathOf(keys?.['path.utf-8'], true) ?? pathOf(keys?.path, false) ?? []
  }
}

function nameOf(utf8: BencodeNode | undefined, plain: BencodeNode | undefined): RawName | undefined {
  const name = utf8?.bytes
  if (name !== undefined && name.length > 0) {
    const text = utf8Text(name)
    if (text !== undefined) return { bytes: name, text }
  }
  const bytes = plain?.bytes
  return bytes === undefined ? undefined : { bytes, text: utf8Text(bytes) }
}

function pathOf(list: BencodeNode | undefined, mustBeUtf8: boolean): RawName[] | undefined {
  const path: RawName[] = []
  for (const { bytes } of list?.items() ?? []) {
    const text = bytes && utf8Text(bytes)
    if (bytes === undefined || (mustBeUtf8 && text === undefined)) return undefined
    path.push({ bytes, text })
  }
  return path.length > 0 ? path : undefined
}

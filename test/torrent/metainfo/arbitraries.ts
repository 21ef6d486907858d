/** Values and bytes for the properties of this folder. */
import fc from 'fast-check'
import type { BencodeInput } from '../../../src/torrent/metainfo/bencode.js'

const keys = fc.string({ unit: 'binary-ascii', maxLength: 6 }).filter(key => key !== '__proto__')

/** Anything that can be encoded; strings are bytes, as they are when decoded. */
export const bencodeValues: fc.Arbitrary<BencodeInput> = fc.letrec<{ value: BencodeInput }>(tie => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.maxSafeInteger().map(value => (value === 0 ? 0 : value)),
    fc.uint8Array({ maxLength: 12 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

/** Bytes that were valid until some of them were overwritten, removed or doubled. */
export function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(
    fc.nat(),
    fc.constantFrom('set', 'drop', 'double', 'cut'),
    fc.constantFrom(...'ilde:-019a\0'),
  )
  return fc.tuple(valid, fc.array(change, { minLength: 1, maxLength: 4 })).map(([bytes, changes]) => {
    const list = [...bytes]
    for (const [position, kind, byte] of changes) {
      const at = position % (list.length + 1)
      if (kind === 'set') list[at] = byte.charCodeAt(0)
      else if (kind === 'drop') list.splice(at, 1)
      else if (kind === 'double') list.splice(at, 0, ...list.slice(at, at + 8))
      else list.length = at
    }
    return Uint8Array.from(list)
  })
}

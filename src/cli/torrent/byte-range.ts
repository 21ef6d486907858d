/**
 * The range of bytes an HTTP request asks for (RFC 9110, section 14).
 *
 * Pure. Several ranges in one request are answered with the whole, as the standard allows: no player asks so.
 */

/** What to send: the bytes [begin, end), all of them, or a refusal. */
export type ByteRange = { readonly begin: number; readonly end: number } | 'all' | 'unsatisfiable'

/**
 * Reads a `Range` header.
 *
 * @param header as it came; undefined when there was none
 * @param length bytes there are
 */
export function parseByteRange(header: string | undefined, length: number): ByteRange {
  const match = /^\s*bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header ?? '')
  if (match === null) return 'all'
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return 'all'
  if (first === '') {
    const count = Math.min(Number(last), length)
    return count === 0 ? 'unsatisfiable' : { begin: length - count, end: length }
  }
  const begin = Number(first)
  if (last !== '' && Number(last) < begin) return 'all'
  if (begin >= length) return 'unsatisfiable'
  return { begin, end: last === '' ? length : Math.min(Number(last) + 1, length) }
}

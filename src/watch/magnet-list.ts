/**
 * The content of a `.magnet` file: magnet URIs set apart by white space; a word that begins with `#` is skipped, so that a
 * URI can be switched off.
 *
 * Pure. Whether a word is a good magnet URI is for the engine to say.
 */

/** The words of a `.magnet` file that are meant, in order, each once. A leading byte-order mark is skipped. */
export function magnetWords(text: string): string[] {
  const words = text.replace(/^\uFEFF/, '').split(/\s+/)
  return [...new Set(words.filter(word => word !== '' && !word.startsWith('#')))]
}

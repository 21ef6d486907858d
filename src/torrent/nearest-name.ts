/**
 * Which name was meant: the known one that is nearest to a name nobody knows, for error messages.
 *
 * Pure. Must stay cheap whatever it is given: names come from command lines and callers.
 */

/** More letters apart than this are two words. */
const MOST_APART = 8

/** The known name that differs least, by few letters; undefined when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

/** Insertions, deletions and replacements that lead from one word to the other. */
function editDistance(a: string, b: string): number {
  // A hostile argument would otherwise cost the square of its length.
  if (Math.abs(a.length - b.length) > MOST_APART) return MOST_APART + 1
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

/**
 * One line of a blocklist, in whichever of the formats in use it is: P2P text (`name:first-last`), DAT of eMule
 * (`first - last , level , name`), CIDR, a plain range, a plain address.
 *
 * Owns the formats. Pure. A line comes from anywhere: nothing it holds makes reading it slow.
 */
import type { RangeCollector } from './ip-ranges.js'

/** Longer lines are names that nobody reads, or no blocklist at all. */
export const MAX_LINE_LENGTH = 4096
/** DAT: entries above this level are allowed, not blocked. */
const HIGHEST_BLOCKED_LEVEL = 127

const P2P = /(?:^|:)\s*(\d[\d.]*)\s*-\s*(\d[\d.]*)\s*$/
const DAT = /^([0-9a-f.:]+)\s*-\s*([0-9a-f.:]+)\s*,\s*(\d+)\s*(?:,|$)/i
const RANGE = /^([0-9a-f.:]+)\s*-\s*([0-9a-f.:]+)$/i
const BLOCK = /^([0-9a-f.:]+)\/(\d{1,3})$/i
const ADDRESS = /^[0-9a-f.:]+$/i

/** `range`: added; `none`: a comment, nothing, or allowed explicitly; `broken`: none of the formats. */
export type LineOutcome = 'range' | 'none' | 'broken'

/** Reads a line, without its end, and adds what it blocks to `ranges`. */
export function readBlocklistLine(line: string, ranges: RangeCollector): LineOutcome {
  if (line.length > MAX_LINE_LENGTH) return 'broken'
  const text = line.trim()
  if (text === '' || text.startsWith('#') || text.startsWith('//') || text.startsWith(';')) return 'none'
  const outcome = readEntry(text, ranges)
  if (outcome !== 'broken') return outcome
  // Only now, since names may hold anything: a comment behind an address.
  const comment = /\s+(?:#|;|\/\/)/.exec(text)
  return comment === null ? 'broken' : readEntry(text.slice(0, comment.index), ranges)
}

function readEntry(text: string, ranges: RangeCollector): LineOutcome {
  const dat = DAT.exec(text)
  if (dat !== null) {
    if (Number(dat[3]) > HIGHEST_BLOCKED_LEVEL) return 'none'
    return added(ranges.add(dat[1]!, dat[2]!))
  }
  const p2p = P2P.exec(text)
  if (p2p !== null && ranges.add(p2p[1]!, p2p[2]!)) return 'range'
  const range = RANGE.exec(text)
  if (range !== null && ranges.add(range[1]!, range[2]!)) return 'range'
  const block = BLOCK.exec(text)
  if (block !== null) return added(ranges.addBlock(block[1]!, Number(block[2])))
  if (ADDRESS.test(text)) return added(ranges.add(text, text))
  return added(readNamedIpv6(text, ranges))
}

/** `name:first-last` with IPv6 addresses: the name ends at the first colon behind which an address begins. */
function readNamedIpv6(text: string, ranges: RangeCollector): boolean {
  const dash = text.lastIndexOf('-')
  if (dash < 0) return false
  const last = text.slice(dash + 1).trim()
  const left = text.slice(0, dash).trimEnd()
  // An address has at most seven colons.
  for (let colon = left.indexOf(':'), tries = 0; colon >= 0; colon = left.indexOf(':', colon + 1)) {
    const first = left.slice(colon + 1).trimStart()
    if (first.length <= 45) {
      if (ranges.add(first, last)) return true
      if (++tries > 8) return false
    }
  }
  return false
}

function added(ok: boolean): LineOutcome {
  return ok ? 'range' : 'broken'
}

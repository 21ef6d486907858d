/**
 * What the kernel and we agree on. PURE.
 */
import { INIT, INIT2 } from './constants.js'
import type { InitReply } from './encode.js'

const MAJOR = 7
/** Linux 5.4. All that is counted on here is older; nothing before it was tried. */
const OLDEST_MINOR = 31
/** The newest whose rules are followed here. */
const NEWEST_MINOR = 40
const MAX_WRITE = 4096

export interface InitOffer {
  readonly major: number
  readonly minor: number
  /** Bytes. */
  readonly maxReadahead: number
  readonly flags: number
  readonly flags2: number
}

export interface InitWishes {
  readonly passthrough: boolean
  /** Pages of 4 KiB in one request. */
  readonly maxPages: number
  readonly maxBackground: number
}

export interface InitFeatures {
  readonly passthrough: boolean
  readonly readdirplus: boolean
  readonly maxPages: number
}

export type Agreement =
  | { readonly kind: 'agreed'; readonly reply: InitReply; readonly features: InitFeatures }
  /** The kernel is newer: it asks again, in our version. */
  | { readonly kind: 'again'; readonly reply: InitReply }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Asks for nothing that is not offered.
 *
 * @returns `refused`: answer EPROTO; otherwise answer `reply`
 */
export function negotiate(offer: InitOffer, wishes: InitWishes): Agreement {
  const { major, minor } = offer
  if (major > MAJOR) return { kind: 'again', reply: replyOf(offer, wishes, 0, 0) }
  if (major < MAJOR || minor < OLDEST_MINOR) {
    const reason = `the kernel speaks FUSE ${major}.${minor}; ${MAJOR}.${OLDEST_MINOR} (Linux 5.4) or later is needed`
    return { kind: 'refused', reason }
  }
  const passthrough =
    wishes.passthrough &&
    minor >= 40 &&
    (offer.flags & INIT.INIT_EXT) !== 0 &&
    (offer.flags2 & INIT2.PASSTHROUGH) !== 0
  const wanted =
    INIT.ASYNC_READ | INIT.DO_READDIRPLUS | INIT.READDIRPLUS_AUTO | INIT.PARALLEL_DIROPS | INIT.MAX_PAGES
  const flags = offer.flags & (wanted | (passthrough ? INIT.INIT_EXT : 0))
  const reply = replyOf(offer, wishes, flags, passthrough ? INIT2.PASSTHROUGH : 0)
  const readdirplus = (flags & INIT.DO_READDIRPLUS) !== 0
  return { kind: 'agreed', reply, features: { passthrough, readdirplus, maxPages: reply.maxPages } }
}

function replyOf(offer: InitOffer, wishes: InitWishes, flags: number, flags2: number): InitReply {
  return {
    // Minors of another major say nothing about ours.
    minor: offer.major === MAJOR ? Math.min(offer.minor, NEWEST_MINOR) : NEWEST_MINOR,
    maxReadahead: offer.maxReadahead,
    flags,
    flags2,
    maxBackground: wishes.maxBackground,
    congestionThreshold: wishes.maxBackground,
    maxWrite: MAX_WRITE,
    timeGranularityNs: 1,
    maxPages: (flags & INIT.MAX_PAGES) === 0 ? 32 : wishes.maxPages,
    maxStackDepth: flags2 === 0 ? 0 : 1,
  }
}

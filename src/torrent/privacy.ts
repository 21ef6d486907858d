/**
 * Whether peers of a torrent may be looked for in public: by the DHT, by peer exchange, by local discovery. BEP 27.
 *
 * Pure. The one rule that all of these ask; nothing else may decide it.
 */

/** What is known of a torrent when somebody wants to look for peers in public. */
export interface PrivacyFacts {
  /** What its info dictionary says; undefined while the metadata is unknown. */
  readonly isPrivate: boolean | undefined
  /** Whether it came with trackers or peers of its own, from which the metadata may come. */
  readonly hasSources: boolean
  /** Since those were first asked, in ms; 0 before. */
  readonly askedMs: number
}

/** How long the trackers and peers that a magnet names have to tell its metadata before others are asked, in ms. */
export const PRIVACY_GRACE_MS = 2000

/**
 * In how many ms a torrent may be looked for in public: 0 for now, Infinity for never. Ask again when a fact changes.
 *
 * A private torrent never may. A magnet may turn out private: the sources it names are asked first, and one that names
 * none could not be private, for nobody would ever find it.
 */
export function publicIn({ isPrivate, hasSources, askedMs }: PrivacyFacts): number {
  if (isPrivate !== undefined) return isPrivate ? Infinity : 0
  return hasSources ? Math.max(0, PRIVACY_GRACE_MS - askedMs) : 0
}

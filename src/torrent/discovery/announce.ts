/**
 * What is said to a tracker and what it says back, whatever the transport (BEP 3, 15, 31, 48).
 *
 * Owns only the types and limits shared by the codecs, the transports and the announcer. Everything in an answer was
 * checked and capped by a codec before it gets one of these types. Pure.
 */

/**
 * Why an announce is made; a regular one has no event. `paused`: we lack something and want nothing now, a partial seed
 * (BEP 21).
 */
export type AnnounceEvent = 'started' | 'completed' | 'stopped' | 'paused'

/** A known peer address: an IP literal (IPv6 without brackets, canonical) and a port in [1, 65535]. */
export interface KnownAddress {
  readonly host: string
  readonly port: number
}

/** One announce. Byte counts are those of payload since `started`. */
export interface AnnounceRequest {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** The TCP port of the listener; 0 when there is none. */
  readonly port: number
  readonly uploaded: number
  readonly downloaded: number
  /** Bytes still missing; undefined while the metadata, and so the length, is unknown. */
  readonly left: number | undefined
  readonly event?: AnnounceEvent
  /** How many addresses are wanted. */
  readonly numWant: number
  /** 32 random bits that tell the tracker two announces from different addresses are one peer (BEP 7, 15). */
  readonly key: number
  /** What the tracker's last answer gave as `tracker id`, to be sent back as it came. */
  readonly trackerId?: Uint8Array
}

/** A tracker's answer to an announce. Absent fields were absent, or nonsense, in the answer. */
export interface AnnounceAnswer {
  readonly kind: 'answer'
  readonly addresses: readonly KnownAddress[]
  /** ms until the next regular announce. */
  readonly interval?: number
  /** ms before which the tracker wants no further announce. */
  readonly minInterval?: number
  readonly seeders?: number
  readonly leechers?: number
  /** How many peers have ever completed. */
  readonly downloads?: number
  /** Printable text for the user. */
  readonly warning?: string
  readonly trackerId?: Uint8Array
  /** The address the tracker saw us come from (BEP 24). */
  readonly externalIp?: string
}

/** A tracker's refusal: it was reached and says no. An expected outcome, so a value. */
export interface TrackerRefusal {
  readonly kind: 'refusal'
  /** Printable text for the user. */
  readonly reason: string
  /** ms after which it may be tried again, `Infinity` for never (BEP 31). */
  readonly retryAfter?: number
}

/** One torrent's numbers in a scrape (BEP 48). */
export interface ScrapeEntry {
  /** 40 lower-case hexadecimal digits. */
  readonly infohash: string
  readonly seeders: number
  readonly leechers: number
  readonly downloads: number
}

/** A tracker's answer to a scrape: the torrents it knows among those asked for. */
export interface ScrapeAnswer {
  readonly kind: 'answer'
  readonly entries: readonly ScrapeEntry[]
}

/** Addresses taken from one answer; honest trackers give at most a few hundred. */
export const MAX_ADDRESSES = 2000

/** Characters kept of a text by a tracker. */
const MAX_TEXT = 256

/** A text from a tracker as it may be shown: no control characters (they would steer a terminal), one line, capped. */
export function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_TEXT * 4)).toString(
    'utf8',
  )
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT)
}

/**
 * Where a web seed's redirects led, so that each is followed once.
 *
 * Owns what is remembered, and for how long: signed places expire. Pure.
 */
import { ExpiringMap } from '../net/expiring-map.js'

const MOST_PLACES = 1024
const LIFETIME_MS = 10 * 60_000

export class MovedPlaces {
  readonly #places = new ExpiringMap<string, URL>(MOST_PLACES)
  readonly #origins = new ExpiringMap<string, string>(16)

  /** Where a URL is known to lead at `now` (ms, monotonic); undefined when it is not. */
  of(url: URL, now: number): URL | undefined {
    const place = this.#places.get(url.href, now)
    if (place !== undefined) return place
    const origin = this.#origins.get(url.origin, now)
    return origin === undefined ? undefined : new URL(url.pathname + url.search, origin)
  }

  /** A URL led to another. When they differ in the server alone, all of the first server is taken to have moved. */
  note(from: URL, to: URL, now: number): void {
    if (from.pathname === to.pathname && from.search === to.search) {
      this.#origins.set(from.origin, to.origin, now + LIFETIME_MS)
    } else this.#places.set(from.href, to, now + LIFETIME_MS)
  }

  /** Nothing good was found there. */
  forget(url: URL): void {
    this.#places.delete(url.href)
    this.#origins.delete(url.origin)
  }
}

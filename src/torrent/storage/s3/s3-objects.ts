/**
 * Objects in a bucket of an S3-compatible server: `<prefix>ab/cdef...`, the first two digits of the name and the rest.
 *
 * Owns what it asks of the server. What the server answers is checked: lengths here, content by who reads it.
 */
import { TorrentError } from '../../errors.js'
import type { FoundObject, ObjectStore } from '../blob/object-store.js'
import { S3Client } from './s3-client.js'
import type { S3Place } from './s3-options.js'

/** A listing names 1000 objects at most; each takes some 400 bytes of XML. */
const MOST_LISTING_BYTES = 4 * 1024 * 1024
/** Of one group: 256 of them make 256 million objects. */
const MOST_LISTINGS = 1000

/** An {@link ObjectStore} in a bucket. */
export class S3Objects implements ObjectStore {
  readonly far = true
  readonly #client: S3Client
  readonly #prefix: string
  readonly #page: number

  /** @param o.page objects that one answer names at most */
  constructor(place: S3Place, o: { readonly page?: number } = {}) {
    this.#client = new S3Client(place)
    this.#prefix = place.prefix
    this.#page = o.page ?? 1000
  }

  async list(group: string): Promise<Map<string, number>> {
    const found = new Map<string, number>()
    const prefix = `${this.#prefix}${group}/`
    let after: string | undefined
    for (let listings = 0; listings < MOST_LISTINGS; listings++) {
      const { body } = await this.#client.ask({
        method: 'GET',
        key: '',
        query: {
          'list-type': '2',
          'max-keys': `${this.#page}`,
          prefix,
          ...(after === undefined ? {} : { 'continuation-token': after }),
        },
        doing: `list ${prefix} in`,
        accept: [],
        mostBytes: MOST_LISTING_BYTES,
      })
      const text = Buffer.from(body).toString('latin1')
      for (const [name, size] of objectsIn(text, prefix)) found.set(group + name, size)
      const token = /<NextContinuationToken>([^<]{1,2048})<\/NextContinuationToken>/.exec(text)?.[1]
      if (!/<IsTruncated>true<\/IsTruncated>/.test(text) || token === undefined) return found
      after = unescape(token)
    }
    throw new TorrentError(
      'ERR_TORRENTFS_STORAGE',
      `${this.#client.nameOf(`${group}/`)}: the listing has no end`,
    )
  }

  async get(name: string, size: number): Promise<FoundObject | undefined> {
    // One byte more is asked for, so that a longer one is seen without being fetched.
    const answer = await this.#client.ask({
      method: 'GET',
      key: keyOf(name),
      headers: { range: `bytes=0-${size}` },
      doing: 'read',
      accept: [404, 416],
      mostBytes: size + 1,
    })
    if (answer.status !== 206 && answer.status !== 200) return undefined
    if (answer.body.length !== size) return undefined
    return { bytes: answer.body, version: versionIn(answer.headers) }
  }

  async read(name: string, begin: number, target: Uint8Array, version: string): Promise<boolean> {
    if (target.length === 0) return true
    const { status, body, headers } = await this.#client.ask({
      method: 'GET',
      key: keyOf(name),
      headers: { range: `bytes=${begin}-${begin + target.length - 1}`, 'if-match': version },
      doing: 'read',
      accept: [404, 412, 416],
      mostBytes: target.length,
    })
    // Not every server heeds if-match.
    if (status !== 206 || body.length !== target.length || versionIn(headers) !== version) return false
    const range = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1]
    if (Number(range) !== begin) return false
    target.set(body)
    return true
  }

  async put(name: string, bytes: Uint8Array): Promise<string> {
    const { headers } = await this.#client.ask({
      method: 'PUT',
      key: keyOf(name),
      headers: { 'content-type': 'application/octet-stream' },
      // Slabs are shared memory, which `fetch` does not take.
      body: bytes.slice(),
      doing: 'write',
      accept: [],
      mostBytes: 64 * 1024,
    })
    return versionIn(headers)
  }

  async remove(name: string): Promise<void> {
    await this.#client.ask({
      method: 'DELETE',
      key: keyOf(name),
      doing: 'delete',
      accept: [204, 404],
      mostBytes: 64 * 1024,
    })
  }

  close(): Promise<void> {
    this.#client.close()
    return Promise.resolve()
  }
}

function keyOf(name: string): string {
  return `${name.slice(0, 2)}/${name.slice(2)}`
}

/** An entity tag; of one without, nothing can be read but the whole. */
function versionIn(headers: Headers): string {
  return headers.get('etag') ?? 'no tag'
}

/** The names behind the prefix, and sizes, of what a listing says; what is not a name of ours is left out. */
function* objectsIn(text: string, prefix: string): Generator<[string, number], void, undefined> {
  for (const [, contents] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
    const key = /<Key>([^<]*)<\/Key>/.exec(contents!)?.[1]
    const size = /<Size>(\d{1,15})<\/Size>/.exec(contents!)?.[1]
    if (key === undefined || size === undefined || !key.startsWith(prefix)) continue
    const name = key.slice(prefix.length)
    if (/^[0-9a-f]{38}$/.test(name)) yield [name, Number(size)]
  }
}

function unescape(text: string): string {
  const characters: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text.replace(/&(lt|gt|quot|apos|amp|#\d{1,3});/g, (_, name: string) =>
    name.startsWith('#') ? String.fromCharCode(Number(name.slice(1))) : characters[name]!,
  )
}

/**
 * Which bucket, where, and who we are there.
 *
 * Owns the options' names, defaults and checks, and what the environment says.
 */
import { TorrentError } from '../../errors.js'
import type { Logger } from '../../logger.js'

/** How an `S3Storage` is made. What is not given is taken from the environment that other programs use too. */
export interface S3StorageOptions {
  readonly bucket: string
  /** What names of objects begin with, `films/` for example. Default: nothing. */
  readonly prefix?: string
  /**
   * `http://` or `https://` and a host. Buckets are named in the path. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else Amazon's
   * of the region.
   */
  readonly endpoint?: string
  /** Default: AWS_REGION, AWS_DEFAULT_REGION, else `us-east-1`, which most other servers take. */
  readonly region?: string
  /** Default: AWS_ACCESS_KEY_ID. */
  readonly accessKeyId?: string
  /** Default: AWS_SECRET_ACCESS_KEY. */
  readonly secretAccessKey?: string
  /** Default: AWS_SESSION_TOKEN, if the keys are from there too. */
  readonly sessionToken?: string
  /** Pieces kept in memory, in bytes, besides those being read. Default: 32 MiB. */
  readonly cacheBytes?: number
  /** How long one request may take, in ms; it is made up to five times. Default: 30 s. */
  readonly timeoutMs?: number
  /** Default: silent. */
  readonly logger?: Logger
}

/** A place in a bucket, and the keys to it. */
export interface S3Place {
  readonly bucket: string
  readonly prefix: string
  /** Of the bucket, without a slash at the end. */
  readonly url: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | undefined
  readonly timeoutMs: number
}

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/
/** Characters that every server takes in the names of objects, and that no part of a URL changes. */
const PREFIX = /^[A-Za-z0-9._\-/]{0,512}$/

/**
 * What the options and the environment say together.
 *
 * @throws ERR_TORRENTFS_ARGUMENT naming the option
 */
export function s3Place(o: S3StorageOptions, env: NodeJS.ProcessEnv = process.env): S3Place {
  if (!BUCKET.test(o.bucket)) throw wrong('bucket', `${JSON.stringify(o.bucket)} is no name of a bucket`)
  const prefix = o.prefix ?? ''
  if (
    !PREFIX.test(prefix) ||
    prefix.startsWith('/') ||
    prefix.split('/').some(part => /^\.\.?$/.test(part))
  ) {
    throw wrong('prefix', `${JSON.stringify(prefix)} may have letters, digits, and . _ - / between them`)
  }
  const given = (value: string | undefined): string | undefined => (value === '' ? undefined : value)
  const region = o.region ?? given(env['AWS_REGION']) ?? given(env['AWS_DEFAULT_REGION']) ?? 'us-east-1'
  if (!/^[A-Za-z0-9-]{1,64}$/.test(region)) throw wrong('region', `${JSON.stringify(region)} is none`)
  const fromEnv = given(env['AWS_ENDPOINT_URL_S3']) ?? given(env['AWS_ENDPOINT_URL'])
  const endpoint = checkEndpoint(o.endpoint ?? fromEnv ?? `https://s3.${region}.amazonaws.com`)
  const accessKeyId = o.accessKeyId ?? given(env['AWS_ACCESS_KEY_ID'])
  const secretAccessKey = o.secretAccessKey ?? given(env['AWS_SECRET_ACCESS_KEY'])
  if (accessKeyId === undefined) throw wrong('accessKeyId', 'it is needed, or AWS_ACCESS_KEY_ID')
  if (secretAccessKey === undefined) throw wrong('secretAccessKey', 'it is needed, or AWS_SECRET_ACCESS_KEY')
  const timeoutMs = o.timeoutMs ?? 30_000
  if (!(Number.isFinite(timeoutMs) && timeoutMs > 0)) throw wrong('timeoutMs', `${timeoutMs} is no time`)
  return {
    bucket: o.bucket,
    prefix,
    url: `${endpoint}/${o.bucket}`,
    region,
    accessKeyId,
    secretAccessKey,
    sessionToken:
      o.sessionToken ?? (o.accessKeyId === undefined ? given(env['AWS_SESSION_TOKEN']) : undefined),
    timeoutMs,
  }
}

/**
 * The options in `s3://bucket/prefix?endpoint=http://host:9000&region=eu-1`. Keys are not to be had from there: command lines are
 * read by others.
 *
 * @throws ERR_TORRENTFS_ARGUMENT
 */
export function parseS3Url(text: string): S3StorageOptions {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw wrong('storage', `${JSON.stringify(text)} is no URL`)
  }
  if (!/^s3:\/\/[^/]/.test(text) || url.username !== '' || url.port !== '' || url.hash !== '') {
    throw wrong('storage', `${JSON.stringify(text)} is not like s3://bucket/prefix?endpoint=http://host:9000`)
  }
  for (const name of url.searchParams.keys()) {
    if (!['endpoint', 'region'].includes(name)) throw wrong('storage', `${name}= is unknown in an s3 URL`)
  }
  const [endpoint, region] = [url.searchParams.get('endpoint'), url.searchParams.get('region')]
  const path = url.pathname.replace(/^\/+/, '').replace(/\/*$/, '')
  return {
    bucket: url.hostname,
    ...(path === '' ? {} : { prefix: `${path}/` }),
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
  }
}

function checkEndpoint(text: string): string {
  let url: URL | undefined
  try {
    url = new URL(text)
  } catch {
    // Told below.
  }
  const usable = url !== undefined && /^https?:$/.test(url.protocol) && url.username === ''
  if (!usable || url!.search !== '' || url!.hash !== '') {
    throw wrong('endpoint', `${JSON.stringify(text)} is not like https://host:port`)
  }
  return `${url!.origin}${url!.pathname}`.replace(/\/+$/, '')
}

function wrong(option: string, what: string): TorrentError {
  return new TorrentError('ERR_TORRENTFS_ARGUMENT', `${option}: ${what}`)
}

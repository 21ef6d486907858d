/**
 * A real S3 server for tests: s3rver, in a process of its own. It checks signatures.
 *
 * With TORRENTFS_TEST_S3 (the options of an `S3Storage` as JSON) tests that take {@link s3Options} run against another one.
 */
import { createRequire } from 'node:module'
import type { S3StorageOptions } from '../../src/torrent/index.js'
import { Child } from './child.js'
import type { Host } from './network.js'
import type { Scope } from './scope.js'

const SERVER = createRequire(import.meta.url).resolve('@20minutes/s3rver')

const PROGRAM = `
const S3rver = require(process.argv[1])
new S3rver(JSON.parse(process.argv[2])).run().then(({ port }) => console.log('listening on', port))
`

export class S3Server {
  readonly child: Child
  readonly #address: string
  #port = 0

  private constructor(child: Child, address: string) {
    this.child = child
    this.#address = address
  }

  /** Starts one on a host, or on loopback, with an empty bucket `torrents`. `folder` holds its objects. */
  static async start(scope: Scope, o: { host?: Host; folder?: string } = {}): Promise<S3Server> {
    const address = o.host?.address ?? '127.0.0.1'
    const options = {
      address,
      port: 0,
      silent: true,
      directory: o.folder ?? scope.folder(),
      vhostBuckets: false,
      configureBuckets: [{ name: 'torrents', configs: [] }],
    }
    // It makes the tokens of long listings by a cipher that OpenSSL 3 keeps apart.
    const args = ['--openssl-legacy-provider', '-e', PROGRAM, SERVER, JSON.stringify(options)]
    const child = o.host?.start(process.execPath, args) ?? new Child(process.execPath, args, {}, scope)
    const server = new S3Server(child, address)
    server.#port = Number((await child.printed(/listening on (\d+)/, 20_000, 'stdout'))[1])
    return server
  }

  get endpoint(): string {
    return `http://${this.#address}:${this.#port}`
  }

  /** With which its bucket is reached. */
  get options(): S3StorageOptions {
    return { ...KEYS, bucket: 'torrents', endpoint: this.endpoint }
  }
}

/** The only keys it knows. */
export const KEYS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }

/** A bucket of the server that tests are to use: one that is started for them, if none is named. */
export async function s3Options(scope: Scope): Promise<S3StorageOptions> {
  const named = process.env['TORRENTFS_TEST_S3']
  if (named !== undefined && named !== '') return JSON.parse(named) as S3StorageOptions
  return (await S3Server.start(scope)).options
}

/**
 * Real web servers that serve a folder: nginx and lighttpd, each run by the test from a configuration of its own.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'node:net'
import { eventually, type Child } from './child.js'
import type { Host } from './network.js'
import type { Scope } from './scope.js'

export const webServers = ['nginx', 'lighttpd'] as const
export type WebServerName = (typeof webServers)[number]

/** One request, as the server logged it. */
export interface ServedRequest {
  readonly path: string
  readonly status: number
  /** Bytes of the answer's body that were sent. */
  readonly bytes: number
}

const PORT = 8080

export class WebServer {
  readonly name: WebServerName
  readonly #host: Host
  readonly #folder: string
  #child: Child

  private constructor(name: WebServerName, host: Host, folder: string) {
    this.name = name
    this.#host = host
    this.#folder = folder
    this.#child = this.#start()
  }

  /** Serves `root` on a host, and waits until it does. */
  static async start(scope: Scope, name: WebServerName, host: Host, root: string): Promise<WebServer> {
    const folder = scope.folder('torrentfs-web-')
    writeConfiguration(name, folder, host.address, root)
    const server = new WebServer(name, host, folder)
    await server.#listening()
    return server
  }

  get url(): string {
    return `http://${this.#host.address}:${PORT}/`
  }

  /** What it was asked since it was first started. */
  requests(): ServedRequest[] {
    const log = readFileSync(join(this.#folder, 'access.log'), 'utf8')
    return [...log.matchAll(/"GET (\S+) [^"]*" (\d+) (\d+|-)/g)].map(([, path, status, bytes]) => ({
      path: path!,
      status: Number(status),
      bytes: bytes === '-' ? 0 : Number(bytes),
    }))
  }

  /** Kills it where it stands. */
  async kill(): Promise<void> {
    await this.#child.stop('SIGKILL')
  }

  async startAgain(): Promise<void> {
    this.#child = this.#start()
    await this.#listening()
  }

  /** Ends it in good order, so that its log is whole. */
  async stop(): Promise<void> {
    await this.#child.stop('SIGTERM')
  }

  #start(): Child {
    const file = join(this.#folder, 'server.conf')
    return this.name === 'nginx'
      ? this.#host.start('/usr/sbin/nginx', ['-c', file, '-p', this.#folder, '-e', 'stderr'])
      : this.#host.start('/usr/sbin/lighttpd', ['-D', '-f', file])
  }

  async #listening(): Promise<void> {
    await eventually(`${this.name} listens`, 20_000, () => {
      if (this.#child.exit !== undefined) throw new Error(`${this.name}: ${this.#child.stderr}`)
      return new Promise<boolean>(resolve => {
        const socket = createConnection(PORT, this.#host.address)
        const end = (up: boolean) => () => {
          socket.destroy()
          resolve(up)
        }
        socket.once('connect', end(true)).once('error', end(false))
      })
    })
  }
}

function writeConfiguration(name: WebServerName, folder: string, address: string, root: string): void {
  const log = join(folder, 'access.log')
  writeFileSync(log, '')
  mkdirSync(join(folder, 'tmp'))
  const nginx = `daemon off;
master_process off;
pid ${folder}/pid;
events {}
http {
  access_log ${log};
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(use => `${use}_temp_path ${folder}/tmp;`).join(' ')}
  sendfile on;
  server { listen ${address}:${PORT}; location / { root "${root}"; } }
}
`
  const lighttpd = `server.modules = ("mod_accesslog")
server.document-root = "${root}"
server.bind = "${address}"
server.port = ${PORT}
server.pid-file = "${folder}/pid"
accesslog.filename = "${log}"
accesslog.format = "%h - - %t \\"%r\\" %>s %b"
`
  writeFileSync(join(folder, 'server.conf'), name === 'nginx' ? nginx : lighttpd)
}

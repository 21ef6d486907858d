/**
 * A TCP proxy that makes a near peer a far one: every byte arrives `delayMs` later each way, at no more than a rate.
 * (The kernels of test machines often have no netem.)
 */

import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Scope } from './scope.js'

export interface DelayOptions {
  /** One way, ms. */
  readonly delayMs: number
  /** Towards the one who connects, bytes/s for all connections together. */
  readonly bytesPerSecond?: number
}

/** It listens at an address of the test and passes everything on to one target. */
export class DelayProxy {
  readonly address: string
  /** Bytes passed towards those who connected. */
  bytesDown = 0
  bytesUp = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #readyAt = 0

  private constructor(address: string, target: { host: string; port: number }, options: DelayOptions) {
    this.address = address
    this.#server = createServer({ pauseOnConnect: false, allowHalfOpen: false }, near => {
      const far = connect(target.port, target.host)
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket.setNoDelay(true)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          setTimeout(() => (socket === near ? far : near).destroy(), options.delayMs)
        })
      }
      this.#pass(near, far, options.delayMs, undefined, bytes => (this.bytesUp += bytes))
      this.#pass(far, near, options.delayMs, options.bytesPerSecond, bytes => (this.bytesDown += bytes))
    })
  }

  static async start(
    scope: Scope,
    address: string,
    target: { host: string; port: number },
    options: DelayOptions,
  ): Promise<DelayProxy> {
    const proxy = new DelayProxy(address, target, options)
    await new Promise<void>((resolve, reject) =>
      proxy.#server.once('error', reject).listen(0, address, resolve),
    )
    scope.defer(() => proxy.stop())
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get endpoint(): string {
    return `${this.address}:${this.port}`
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  #pass(
    from: Socket,
    to: Socket,
    delayMs: number,
    rate: number | undefined,
    count: (bytes: number) => void,
  ): void {
    let held = 0
    from.on('data', (data: Buffer) => {
      let at = performance.now() + delayMs
      if (rate !== undefined) {
        this.#readyAt = Math.max(this.#readyAt, performance.now()) + (data.length / rate) * 1000
        at = this.#readyAt + delayMs
      }
      held += data.length
      if (held > 8 << 20) from.pause()
      setTimeout(() => {
        held -= data.length
        count(data.length)
        if (!to.destroyed) to.write(data)
        if (held < 4 << 20) from.resume()
      }, at - performance.now())
    })
  }
}

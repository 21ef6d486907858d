/**
 * What a thread that has a database does: operations in, answers out.
 *
 * Owns the order of operations, and which of them share a transaction: those that change something and have come one after another
 * while it was busy. That spares them a sync each, where a kind of database syncs.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import type {
  DatabaseKind,
  DatabaseOperation,
  DatabaseReply,
  DatabaseRequest,
  PieceDatabase,
} from './database-protocol.js'

/** What may share a transaction. */
const CHANGES = new Set<DatabaseOperation['kind']>(['write', 'mark', 'remove'])

/** Serves the database that this thread was started for. */
export function serveDatabase(kind: DatabaseKind): void {
  if (parentPort === null) throw new Error('a database is served by a worker thread')
  const server = new DatabaseServer(parentPort, kind, workerData as { path: string; exclusive: boolean })
  parentPort.on('message', (request: DatabaseRequest) => server.take(request))
}

class DatabaseServer {
  readonly #port: MessagePort
  readonly #kind: DatabaseKind
  readonly #place: { readonly path: string; readonly exclusive: boolean }
  readonly #queue: DatabaseRequest[] = []
  #database: PieceDatabase | undefined
  #busy = false

  constructor(port: MessagePort, kind: DatabaseKind, place: { path: string; exclusive: boolean }) {
    this.#port = port
    this.#kind = kind
    this.#place = place
  }

  take(request: DatabaseRequest): void {
    this.#queue.push(request)
    if (!this.#busy) void this.#work()
  }

  async #work(): Promise<void> {
    this.#busy = true
    for (;;) {
      this.#drain()
      const [first] = this.#queue
      if (first === undefined) break
      try {
        this.#database ??= await this.#open()
      } catch (thrown) {
        this.#queue.shift()
        this.#fail(first, thrown, 'open')
        continue
      }
      const changes = this.#queue.findIndex(({ operation }) => !CHANGES.has(operation.kind))
      const count = changes === -1 ? this.#queue.length : changes
      if (count > 1) this.#together(this.#database, this.#queue.splice(0, count))
      else await this.#alone(this.#database, this.#queue.shift()!)
    }
    this.#busy = false
  }

  /** Takes what came while nothing was listened to. */
  #drain(): void {
    for (;;) {
      const found = receiveMessageOnPort(this.#port)
      if (found === undefined) return
      this.#queue.push(found.message as DatabaseRequest)
    }
  }

  async #open(): Promise<PieceDatabase> {
    mkdirSync(dirname(this.#place.path), { recursive: true })
    return this.#kind.open(this.#place.path, this.#place.exclusive)
  }

  #together(database: PieceDatabase, requests: DatabaseRequest[]): void {
    try {
      database.atOnce(() => {
        for (const { operation } of requests) database.perform(operation)
      })
    } catch {
      // One of them is at fault, or all are too much at once.
      for (const request of requests) void this.#alone(database, request)
      return
    }
    for (const { id } of requests) this.#reply({ id })
  }

  async #alone(database: PieceDatabase, request: DatabaseRequest): Promise<void> {
    const { id, operation } = request
    try {
      if (operation.kind === 'close') {
        await database.close()
        this.#reply({ id })
        this.#port.close()
        return
      }
      const bytes = database.perform(operation)
      this.#reply(bytes === undefined ? { id } : { id, bytes })
    } catch (thrown) {
      this.#fail(request, thrown, operation.kind === 'read' || operation.kind === 'open' ? 'read' : 'write')
    }
  }

  #fail({ id }: DatabaseRequest, thrown: unknown, doing: string): void {
    const { code, message } = this.#kind.failure(thrown, doing, this.#place.path)
    this.#reply({ id, error: { code, message } })
  }

  #reply(reply: DatabaseReply): void {
    const memory = reply.bytes?.buffer
    this.#port.postMessage(reply, memory instanceof ArrayBuffer ? [memory] : [])
  }
}

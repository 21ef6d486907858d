/**
 * Holds back the reading of a socket that is read by `read()` after `readable` events, as the HTTP package does.
 *
 * Owns whether it is held. The package's own way to pause ends the process, by a failed assertion, when a server closes
 * the connection of an answer that is paused.
 */
import type { Socket } from 'node:net'

export class SocketGate {
  readonly #socket: Socket
  #held = false

  /** @param reading told of the gate just before what was read is taken in, in the same call */
  constructor(socket: Socket, reading: (gate: SocketGate) => void) {
    this.#socket = socket
    const read = socket.read.bind(socket) as (size?: number) => unknown
    socket.read = (size?: number): unknown => {
      if (this.#held) return null
      const chunk = read(size)
      if (chunk !== null) reading(this)
      return chunk
    }
  }

  /** Nothing more is read; the system holds the sender back when its buffers are full. */
  hold(): void {
    this.#held = true
  }

  /** Reads on, at once. Must not be called while anything is being read. */
  release(): void {
    if (!this.#held) return
    this.#held = false
    this.#socket.emit('readable')
  }
}

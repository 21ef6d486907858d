/** Records what a decoder tells, as plain data, for tests to compare. */
import type { DecoderEvents } from '../../../src/torrent/wire/decoder.js'
import type { WireMessage } from '../../../src/torrent/wire/messages.js'

export type Item =
  | WireMessage
  | { readonly type: 'block'; readonly piece: number; readonly begin: number; readonly bytes: Uint8Array }
  | { readonly type: 'discarded'; readonly piece: number; readonly begin: number; readonly length: number }

export class Recorder implements DecoderEvents {
  readonly items: Item[] = []
  progress = 0
  #target: Uint8Array | undefined
  readonly #keep: (piece: number) => boolean

  constructor(keep: (piece: number) => boolean = () => true) {
    this.#keep = keep
  }

  message(message: WireMessage): void {
    this.items.push(message)
  }

  blockTarget(piece: number, _begin: number, length: number): Uint8Array | null {
    this.#target = this.#keep(piece) ? new Uint8Array(length) : undefined
    return this.#target ?? null
  }

  blockProgress(bytes: number): void {
    this.progress += bytes
  }

  block(piece: number, begin: number, length: number, kept: boolean): void {
    if (kept && this.#target !== undefined)
      this.items.push({ type: 'block', piece, begin, bytes: this.#target })
    else this.items.push({ type: 'discarded', piece, begin, length })
  }
}

/**
 * What is known of a torrent's pieces and files: the one place where it changes, live and when a journal is replayed alike.
 *
 * The rule that keeps wrong bytes out: a stored piece is trusted only while each of its files has the stamp that was last
 * recorded for it. Every record says what stamp its operation found; a stamp that was not expected makes all stored pieces of
 * that file suspect, before the record itself counts.
 *
 * Owns stored, suspect and unsynced pieces and the files' stamps. Must not touch disks. Pure.
 */
import { Bitfield } from '../../pieces/bitfield.js'
import type { Geometry } from '../../pieces/geometry.js'
import { sameStamp } from './resume-record.js'
import type { ResumeRecord, Stamp } from './resume-record.js'

const NOTHING = new Bitfield(0)

/** A moment of a {@link ResumeState}, as a checkpoint keeps it. Shares nothing with the state. */
export interface ResumeSnapshot {
  readonly stored: Bitfield
  readonly suspect: Bitfield | undefined
  /** Stored pieces that may be lost when the machine (not the process) crashes. */
  readonly unsynced: Bitfield | undefined
  /** The last recorded stamp of each file that ever had one. */
  readonly stamps: ReadonlyMap<number, Stamp>
}

/** What a record did besides what it says. */
export interface Applied {
  /** Pieces that were stored and became suspect. */
  readonly doubted: readonly number[]
  /** Files that are not the ones known before: created, replaced or changed by someone else. */
  readonly strangers: readonly number[]
}

/** The pieces and file stamps of one torrent. */
export class ResumeState {
  readonly #geometry: Geometry
  /** Pieces that are trusted. Live. */
  readonly stored: Bitfield
  #suspect: Bitfield | undefined
  #unsynced: Bitfield | undefined
  #stamps: Map<number, Stamp> | undefined

  /** @param snapshot taken over: the caller must not use it afterwards */
  constructor(geometry: Geometry, snapshot?: ResumeSnapshot) {
    this.#geometry = geometry
    this.stored = snapshot?.stored ?? new Bitfield(geometry.pieceCount)
    this.#suspect = snapshot?.suspect
    this.#unsynced = snapshot?.unsynced
    if (snapshot !== undefined && snapshot.stamps.size > 0) this.#stamps = new Map(snapshot.stamps)
  }

  /** Pieces to be hashed before they count; a shared bitfield of length 0 while there are none. */
  get suspect(): Bitfield {
    return this.#suspect === undefined || this.#suspect.empty ? NOTHING : this.#suspect
  }

  /** Stored pieces that are not known to be on the disk itself; a shared bitfield of length 0 while there are none. */
  get unsynced(): Bitfield {
    return this.#unsynced === undefined || this.#unsynced.empty ? NOTHING : this.#unsynced
  }

  /** The last recorded stamp of a file. */
  stamp(file: number): Stamp | undefined {
    return this.#stamps?.get(file)
  }

  /** The files that hold a stored piece, or part of one: those whose stamps matter. */
  filesInUse(): number[] {
    const files: number[] = []
    for (const file of this.#stamps?.keys() ?? []) {
      const { begin, end } = this.#piecesOf(file)
      if (this.stored.next(begin, end) !== -1) files.push(file)
    }
    return files
  }

  /** Takes a record into account. */
  apply(record: ResumeRecord): Applied {
    const doubted: number[] = []
    const strangers: number[] = []
    for (const { file, before, after } of record.files) {
      const known = this.#stamps?.get(file)
      if (known === undefined || !sameStamp(known, before)) {
        strangers.push(file)
        if (known !== undefined) this.#doubtPieces(file, doubted)
      }
      this.#stamps ??= new Map()
      this.#stamps.set(file, after)
    }
    if (record.kind === 'stored') {
      this.stored.set(record.piece)
      this.#suspect?.clear(record.piece)
      this.#unsynced ??= new Bitfield(this.#geometry.pieceCount)
      this.#unsynced.set(record.piece)
    } else if (record.kind === 'missing') {
      this.stored.clear(record.piece)
      this.#suspect?.clear(record.piece)
      this.#unsynced?.clear(record.piece)
    }
    // The piece itself was just checked: what it was before does not matter any more.
    const others = record.kind === 'touched' ? doubted : doubted.filter(piece => piece !== record.piece)
    return { doubted: others, strangers }
  }

  /** Makes the stored pieces of a file suspect; returns them. */
  doubtFile(file: number): number[] {
    const doubted: number[] = []
    this.#doubtPieces(file, doubted)
    return doubted
  }

  /** Makes those of `pieces` that are stored suspect; returns them. */
  doubt(pieces: Bitfield): number[] {
    const doubted: number[] = []
    for (let piece = pieces.next(0); piece !== -1; piece = pieces.next(piece + 1)) {
      if (this.#doubtPiece(piece)) doubted.push(piece)
    }
    return doubted
  }

  /** Makes a missing piece suspect: its bytes may be there. */
  suppose(piece: number): void {
    if (this.stored.get(piece)) return
    this.#suspect ??= new Bitfield(this.#geometry.pieceCount)
    this.#suspect.set(piece)
  }

  /** A copy of this moment. */
  snapshot(): ResumeSnapshot {
    return {
      stored: this.stored.clone(),
      suspect: this.#suspect?.clone(),
      unsynced: this.#unsynced?.clone(),
      stamps: new Map(this.#stamps ?? []),
    }
  }

  /** Takes away the set of unsynced pieces, for someone who will sync them; give it back with `unsync` if that fails. */
  takeUnsynced(): Bitfield | undefined {
    const taken = this.#unsynced
    this.#unsynced = undefined
    return taken
  }

  /** Adds to the unsynced pieces those of `pieces` that are still stored. */
  unsync(pieces: Bitfield): void {
    for (let piece = pieces.next(0); piece !== -1; piece = pieces.next(piece + 1)) {
      if (!this.stored.get(piece)) continue
      this.#unsynced ??= new Bitfield(this.#geometry.pieceCount)
      this.#unsynced.set(piece)
    }
  }

  #piecesOf(file: number): { begin: number; end: number } {
    const { offset, length } = this.#geometry.files[file]!
    return this.#geometry.piecesIn(offset, offset + length)
  }

  #doubtPieces(file: number, doubted: number[]): void {
    const { begin, end } = this.#piecesOf(file)
    for (let piece = this.stored.next(begin, end); piece !== -1; piece = this.stored.next(piece + 1, end)) {
      this.#doubtPiece(piece)
      doubted.push(piece)
    }
  }

  #doubtPiece(piece: number): boolean {
    if (!this.stored.clear(piece)) return false
    this.#unsynced?.clear(piece)
    this.#suspect ??= new Bitfield(this.#geometry.pieceCount)
    this.#suspect.set(piece)
    return true
  }
}

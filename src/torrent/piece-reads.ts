/**
 * Reads a range piece by piece, each as soon as it is there.
 *
 * Owns nothing. For torrents whose stored pieces are given up for others: reads that held some pieces while they waited for
 * others would wait for one another for ever where not all of them fit.
 */

/**
 * Fills `target` from `begin` of the torrent. Nothing writes into it once this has settled.
 *
 * @param o.read fills its target, which lies in one piece
 * @throws what the first of them throws; the others are aborted then
 */
export async function readByPiece(
  target: Uint8Array,
  begin: number,
  o: {
    /** Bytes. */
    readonly pieceLength: number
    readonly signal: AbortSignal | undefined
    readonly read: (target: Uint8Array, begin: number, signal: AbortSignal) => Promise<number>
  },
): Promise<number> {
  const failed = new AbortController()
  const signal = o.signal === undefined ? failed.signal : AbortSignal.any([o.signal, failed.signal])
  const reads: Promise<unknown>[] = []
  let first: { readonly error: unknown } | undefined
  for (let done = 0; done < target.length;) {
    const at = begin + done
    const length = Math.min(target.length - done, o.pieceLength - (at % o.pieceLength))
    const read = o.read(target.subarray(done, done + length), at, signal).catch((error: unknown) => {
      first ??= { error }
      failed.abort()
    })
    reads.push(read)
    done += length
  }
  await Promise.all(reads)
  if (first !== undefined) throw first.error
  return target.length
}

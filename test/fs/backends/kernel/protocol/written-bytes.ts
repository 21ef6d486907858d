/**
 * Holds a writer to exactly the bytes it is to write.
 */
import assert from 'node:assert/strict'

export type Writer = (out: Buffer, at: number) => number

/** The writer writes these bytes where it is told, all of them, no other, and returns their end. @param hex the bytes */
export function assertWrites(writer: Writer, hex: string): void {
  const length = hex.length / 2
  for (const at of [0, 1, 40])
    for (const before of [0xaa, 0x55]) {
      // The last byte there is, too, must not be needed.
      for (const room of [0, 9]) {
        const out = Buffer.alloc(at + length + room, before)
        assert.equal(writer(out, at), at + length)
        const [head, written] = [out.subarray(0, at), out.subarray(at, at + length)]
        assert.equal(written.toString('hex'), hex)
        for (const untouched of [head, out.subarray(at + length)])
          assert.ok(untouched.every(byte => byte === before))
      }
    }
}

/** The torrent of the kill test: 8 files of 1.5 MB in pieces of 32 KiB, so that many pieces span files. */
import { makeFixture } from '../storage/fixture.js'
import type { Fixture } from '../storage/fixture.js'

export function killFixture(): Fixture {
  const files = [...Array(8).keys()].map(file => ({ path: ['killed', String(file)], length: 1_500_000 }))
  return makeFixture({ files, pieceLength: 32_768 })
}

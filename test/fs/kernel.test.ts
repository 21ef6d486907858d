/**
 * Our own session, held to the conformance suite with files on a disk: every read crosses to the engine's thread.
 */
import { describe, test } from 'node:test'
import { kernelBackend } from '../../src/fs/index.js'
import { DiskTorrents } from '../support/fs-fixture.js'
import { whyNoFuse } from '../support/fs-backends.js'
import { mountConformance } from './mount-conformance.js'

const reason = whyNoFuse('kernel')
if (reason === undefined) {
  describe('a mount through our own session', () => {
    mountConformance({ backend: kernelBackend, fixture: () => DiskTorrents.create() })
  })
} else {
  test('a mount through our own session', { skip: `SKIP: ${reason}` }, () => {})
}

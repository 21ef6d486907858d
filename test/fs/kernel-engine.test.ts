/**
 * Our own session with torrents of the real engine, held to the conformance suite.
 */
import { describe, test } from 'node:test'
import { kernelBackend } from '../../src/fs/index.js'
import { EngineTorrents } from '../support/fs-engine-fixture.js'
import { whyNoFuse } from '../support/fs-backends.js'
import { mountConformance } from './mount-conformance.js'

const reason = whyNoFuse('kernel')
if (reason === undefined) {
  describe('a mount of the engine through our own session', () => {
    mountConformance({ backend: kernelBackend, fixture: () => EngineTorrents.create() })
  })
} else {
  test('a mount of the engine through our own session', { skip: `SKIP: ${reason}` }, () => {})
}

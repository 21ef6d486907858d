/**
 * The fuse-native backend with torrents of the real engine, held to the conformance suite.
 */
import { describe, test } from 'node:test'
import { fuseNativeBackend } from '../../src/fs/index.js'
import { EngineTorrents } from '../support/fs-engine-fixture.js'
import { whyNoFuse } from '../support/fs-backends.js'
import { mountConformance } from './mount-conformance.js'

const reason = whyNoFuse('fuse-native')
if (reason === undefined) {
  describe('a mount of the engine through fuse-native', () => {
    mountConformance({ backend: fuseNativeBackend, fixture: () => EngineTorrents.create() })
  })
} else {
  test('a mount of the engine through fuse-native', { skip: `SKIP: ${reason}` }, () => {})
}

/**
 * The fuse-native backend, held to the conformance suite.
 */
import { describe, test } from 'node:test'
import { fuseNativeBackend } from '../../src/fs/index.js'
import { DiskTorrents } from '../support/fs-fixture.js'
import { whyNoFuse } from '../support/fs-backends.js'
import { mountConformance } from './mount-conformance.js'

const reason = whyNoFuse('fuse-native')
if (reason === undefined) {
  describe('a mount through fuse-native', () => {
    mountConformance({ backend: fuseNativeBackend, fixture: () => DiskTorrents.create() })
  })
} else {
  test('a mount through fuse-native', { skip: `SKIP: ${reason}` }, () => {})
}

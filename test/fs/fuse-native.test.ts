/**
 * The fuse-native backend, held to the conformance suite.
 */
import { accessSync, constants } from 'node:fs'
import { describe, test } from 'node:test'
import { fuseNativeBackend } from '../../src/fs/index.js'
import { DiskTorrents } from '../support/fs-fixture.js'
import { mountConformance } from './mount-conformance.js'

function whyNot(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'fuse-native needs linux-x64'
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return undefined
  } catch {
    return '/dev/fuse cannot be opened'
  }
}

const reason = whyNot()
if (reason === undefined) {
  describe('a mount through fuse-native', () => {
    mountConformance({ backend: fuseNativeBackend, fixture: () => DiskTorrents.create() })
  })
} else {
  test('a mount through fuse-native', { skip: `SKIP: ${reason}` }, () => {})
}

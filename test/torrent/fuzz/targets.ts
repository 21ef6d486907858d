/** Every decoder of bytes from outside. A decoder that is not here is not fuzzed. */
import type { Target } from '../../support/fuzz.js'
import { DATAGRAM_TARGETS } from './datagram-targets.js'
import { ENCRYPTION_TARGETS } from './encryption-targets.js'
import { GOSSIP_TARGETS } from './gossip-targets.js'
import { METAINFO_TARGETS } from './metainfo-targets.js'
import { RESUME_TARGETS } from './resume-targets.js'
import { TRACKER_SERVER_TARGETS } from './tracker-server-targets.js'
import { TRACKER_TARGETS } from './tracker-targets.js'
import { WIRE_TARGETS } from './wire-targets.js'

export const TARGETS: readonly Target[] = [
  ...WIRE_TARGETS,
  ...ENCRYPTION_TARGETS,
  ...DATAGRAM_TARGETS,
  ...GOSSIP_TARGETS,
  ...METAINFO_TARGETS,
  ...TRACKER_TARGETS,
  ...TRACKER_SERVER_TARGETS,
  ...RESUME_TARGETS,
]

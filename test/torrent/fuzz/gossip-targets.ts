/** The decoders of the small messages in which peers tell of peers and pieces, for the fuzz. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { decodeDontHave, encodeDontHave } from '../../../src/torrent/wire/dont-have-message.js'
import { decodeHolepunch, encodeHolepunch } from '../../../src/torrent/wire/holepunch-message.js'
import { decodeLsdMessage, encodeLsdMessage } from '../../../src/torrent/wire/lsd-message.js'
import { decodePexMessage, encodePexMessage, MAX_PEX_READ } from '../../../src/torrent/wire/pex-message.js'
import { decodeUploadOnly, encodeUploadOnly } from '../../../src/torrent/wire/upload-only-message.js'
import type { Target } from '../../support/fuzz.js'

const HERE = { host: '192.0.2.1', port: 6881 }
const THERE = { host: '2001:db8::1', port: 51413 }
const codes = ['ERR_TORRENTFS_PROTOCOL'] as const

export const GOSSIP_TARGETS: readonly Target[] = [
  {
    name: 'peer exchange',
    grammar: 'bencode',
    codes,
    samples: [
      encodePexMessage({ added: [{ address: HERE, flags: 0x13 }], dropped: [] }),
      encodePexMessage({ added: [{ address: THERE, flags: 0 }], dropped: [HERE, THERE] }),
    ],
    take(input) {
      const { added, dropped } = decodePexMessage(input)
      assert.ok(added.length <= MAX_PEX_READ && dropped.length <= MAX_PEX_READ)
      for (const { host } of [...added.map(({ address }) => address), ...dropped])
        assert.notEqual(isIP(host), 0)
      return added.length + dropped.length > 0
    },
  },
  {
    name: 'holepunch',
    grammar: 'binary',
    codes,
    samples: [
      encodeHolepunch({ type: 'rendezvous', address: HERE })!,
      encodeHolepunch({ type: 'connect', address: THERE })!,
      encodeHolepunch({ type: 'error', address: THERE, code: 2 })!,
    ],
    take: input => decodeHolepunch(input) !== undefined,
  },
  {
    name: 'lost pieces',
    grammar: 'binary',
    codes,
    samples: [encodeDontHave(1), encodeDontHave(2 ** 32 - 1)],
    take(input) {
      const piece = decodeDontHave(input)
      assert.ok(piece >= 0 && piece < 2 ** 32)
      return true
    },
  },
  {
    name: 'upload only',
    grammar: 'binary',
    codes,
    samples: [encodeUploadOnly(true), encodeUploadOnly(false)],
    take: input => typeof decodeUploadOnly(input) === 'boolean',
  },
  {
    name: 'local discovery',
    grammar: 'text',
    samples: [
      encodeLsdMessage('239.192.152.143:6771', { port: 6881, infohashes: ['a'.repeat(40)], cookie: 'c' }),
      encodeLsdMessage('[ff15::efc0:988f]:6771', { port: 1, infohashes: ['b'.repeat(40), 'c'.repeat(40)] }),
    ],
    take(input) {
      const message = decodeLsdMessage(input)
      if (message === undefined) return false
      assert.ok(message.port > 0 && message.port < 65536)
      for (const infohash of message.infohashes) assert.match(infohash, /^[0-9a-f]{40}$/)
      assert.equal(new Set(message.infohashes).size, message.infohashes.length)
      return true
    },
  },
]

/** The decoders of datagrams that anyone may send, and of what web servers answer, for the fuzz. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import {
  decodeKrpc,
  encodeFailure,
  encodeQuery,
  MAX_TOKEN,
  mayBeKrpc,
} from '../../../src/torrent/discovery/dht/krpc.js'
import { encodeBencode } from '../../../src/torrent/metainfo/bencode.js'
import { judgeAnswer } from '../../../src/torrent/webseed/answer.js'
import { decodeUtp, encodeUtp, isUtp, UTP_DATA, UTP_SYN } from '../../../src/torrent/wire/utp-packet.js'
import type { Target } from '../../support/fuzz.js'

const ID = new Uint8Array(20).fill(0x42)
const OURS = { transaction: Uint8Array.of(1, 2), id: ID, readOnly: false }
const NODE = new Uint8Array(26).fill(7)
const HEADER = { connection: 7, timestamp: 1, difference: 2, window: 65536, sequence: 3, ack: 4 }

const KRPC_SAMPLES = [
  encodeQuery({ method: 'ping' }, OURS),
  encodeQuery({ method: 'find_node', target: ID, wants: [4, 6] }, OURS),
  encodeQuery({ method: 'get_peers', target: ID }, { ...OURS, readOnly: true }),
  encodeQuery({ method: 'announce_peer', target: ID, token: ID, port: 6881 }, OURS),
  encodeBencode({
    ip: Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1),
    r: { id: ID, nodes: Buffer.concat([NODE, NODE]), nodes6: new Uint8Array(38).fill(7), token: 'abc', values: [NODE.subarray(0, 6)] },
    t: 'aa',
    y: 'r',
  }),
  encodeFailure(203, 'what?', Uint8Array.of(1, 2)),
] // prettier-ignore

const RANGE = {
  url: new URL('http://seed.example/f'),
  range: 'bytes=100-199',
  first: 100,
  length: 100,
  total: 1000,
}

/** The head of an answer as it stands on the wire. */
function headersOf(text: string): { readonly status: number; readonly headers: Record<string, string> } {
  const [first = '', ...lines] = text.split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { status: Number(first.split(' ')[1] ?? 0), headers }
}

const ANSWERS = [
  'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100-199/1000\r\nContent-Length: 100\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Encoding: identity\r\n\r\n',
  'HTTP/1.1 302 Found\r\nLocation: http://other.example/f\r\n\r\n',
  'HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n',
  'HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n',
]

export const DATAGRAM_TARGETS: readonly Target[] = [
  {
    name: 'KRPC',
    grammar: 'bencode',
    samples: KRPC_SAMPLES,
    take(input) {
      mayBeKrpc(input)
      const message = decodeKrpc(input)
      if (message === undefined) return false
      if (message.type === 'failure') return true
      assert.equal(message.id.length, 20)
      assert.ok((message.token?.length ?? 0) <= MAX_TOKEN)
      if (message.type === 'query') {
        assert.ok(message.method.length <= 20)
        assert.ok(message.target === undefined || message.target.length === 20)
        assert.ok(message.port === undefined || (message.port > 0 && message.port < 65536))
      } else {
        for (const { host, port } of message.peers) assert.ok(isIP(host) !== 0 && port > 0 && port < 65536)
        assert.ok(message.seenAs === undefined || isIP(message.seenAs) !== 0)
      }
      return true
    },
  },
  {
    name: 'uTP',
    grammar: 'binary',
    samples: [
      encodeUtp({ ...HEADER, type: UTP_SYN }),
      encodeUtp({ ...HEADER, type: UTP_DATA }, Uint8Array.of(1, 2, 3, 4)),
      Buffer.concat([encodeUtp({ ...HEADER, type: UTP_DATA }), Buffer.from('payload')]),
    ],
    take(input) {
      const packet = decodeUtp(input)
      assert.ok(packet === undefined || isUtp(input))
      assert.ok((packet?.payload.length ?? 0) + (packet?.selectiveAck?.length ?? 0) <= input.length)
      return packet !== undefined
    },
  },
  {
    name: 'web seed answer',
    grammar: 'text',
    samples: ANSWERS.map(answer => Buffer.from(answer)),
    take(input, chance) {
      const { status, headers } = headersOf(input.toString('latin1'))
      const verdict = judgeAnswer(chance.pick(['files', 'pieces']), RANGE, status, headers, 1_700_000_000_000)
      if (verdict.kind === 'body') {
        assert.ok(verdict.length > 0 && verdict.skip >= 0 && verdict.skip + verdict.length <= RANGE.total)
      }
      if (verdict.kind === 'later') assert.ok(verdict.afterMs === undefined || verdict.afterMs >= 0)
      return verdict.kind !== 'unusable'
    },
  },
]

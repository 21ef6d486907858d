/**
 * Servers that behave badly: answers that S3 servers, and what stands before them, give on bad days.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { S3Client, type S3Request } from '../../../../src/torrent/storage/s3/s3-client.js'
import { s3Place } from '../../../../src/torrent/storage/s3/s3-options.js'
import { KEYS } from '../../../support/s3-server.js'
import { atEnd } from '../fixture.js'

type Handler = (request: IncomingMessage, response: ServerResponse, index: number) => void

async function clientOf(t: TestContext, handler: Handler, timeoutMs = 20_000) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    handler(request, response, asked.length - 1)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const place = s3Place({ ...KEYS, bucket: 'torrents', endpoint, prefix: 'p/', timeoutMs })
  const client = new S3Client(place, { firstPauseMs: 10 })
  atEnd(t, () => {
    client.close()
    server.closeAllConnections()
    server.close()
  })
  return { client, asked }
}

const GET: S3Request = { method: 'GET', key: 'ab/cd', doing: 'read', accept: [404], mostBytes: 1000 }
const told = (message: RegExp) => ({ code: 'ERR_TORRENTFS_STORAGE', message })

describe('requests to a bucket', () => {
  it('are made again when the server is busy, hangs up or breaks off, with all they had', async t => {
    const bodies: number[] = []
    const { client, asked } = await clientOf(t, (request, response, index) => {
      let length = 0
      request.on('data', (data: Buffer) => (length += data.length))
      request.on('end', () => {
        bodies.push(length)
        if (index === 0) response.writeHead(503).end('<Code>SlowDown</Code>')
        else if (index === 1) request.socket.destroy()
        else if (index === 2) {
          response.writeHead(200, { 'content-length': 500 })
          response.write('part')
          setTimeout(() => request.socket.destroy(), 20)
        } else response.writeHead(200).end('all')
      })
    })
    const answer = await client.ask({ ...GET, method: 'PUT', body: new Uint8Array(100_000) })
    assert.equal(Buffer.from(answer.body).toString(), 'all')
    assert.deepEqual(asked, Array(4).fill('PUT /torrents/p/ab/cd'))
    assert.deepEqual(bodies, Array(4).fill(100_000))
  })

  it('are made five times at most, and then name object and status', async t => {
    const { client, asked } = await clientOf(t, (_, response) => {
      response.writeHead(500).end('<Error><Code>InternalError</Code></Error>')
    })
    await assert.rejects(
      client.ask(GET),
      told(/^cannot read s3:\/\/torrents\/p\/ab\/cd at http:\/\/127.0.0.1:\d+: 500 InternalError$/),
    )
    assert.equal(asked.length, 5)
  })

  it('wait for as long as the server asks', async t => {
    const { client } = await clientOf(t, (_, response, index) => {
      if (index === 0) response.writeHead(429, { 'retry-after': '1' }).end()
      else response.writeHead(404).end()
    })
    const begin = performance.now()
    assert.equal((await client.ask(GET)).status, 404)
    assert.ok(performance.now() - begin >= 950)
  })

  it('take no more than was to be expected, whatever the answer says of itself', async t => {
    const { client, asked } = await clientOf(t, (_, response, index) => {
      if (index === 0) {
        response.writeHead(200, { 'content-length': 5000 }).end(Buffer.alloc(5000))
        return
      }
      // No length, no end.
      response.writeHead(206)
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(300), () => setImmediate(more))
      }
      more()
    })
    for (let i = 0; i < 2; i++) {
      await assert.rejects(client.ask(GET), told(/the answer is longer than 1000 bytes/))
    }
    assert.equal(asked.length, 2, 'it would be as long the next time')
  })

  it('do not follow where a server sends them', async t => {
    const { client, asked } = await clientOf(t, (request, response) => {
      response.writeHead(307, { location: `http://${request.headers.host}/elsewhere` }).end()
    })
    await assert.rejects(client.ask(GET), told(/: 307 .*region/))
    assert.deepEqual(asked, ['GET /torrents/p/ab/cd'])
  })

  it('tell of no room by the code that means it', async t => {
    const { client } = await clientOf(t, (_, response) => {
      response.writeHead(403).end('<Error><Code>QuotaExceeded</Code></Error>')
    })
    await assert.rejects(client.ask({ ...GET, method: 'PUT', doing: 'write' }), {
      code: 'ERR_TORRENTFS_DISK_FULL',
    })
  })

  it('give up a server that never answers, and are given up when the storage closes', async t => {
    const { client, asked } = await clientOf(t, () => {}, 100)
    await assert.rejects(client.ask(GET), told(/no answer in time/))
    assert.equal(asked.length, 5)
    const slow = await clientOf(t, () => {})
    const outcomes = Promise.allSettled(Array.from({ length: 40 }, () => slow.client.ask(GET)))
    while (slow.asked.length < 32) await new Promise(resolve => setTimeout(resolve, 5))
    slow.client.close()
    for (const outcome of await outcomes) {
      assert.ok(outcome.status === 'rejected')
      assert.equal((outcome.reason as { code: string }).code, 'ERR_TORRENTFS_CLOSED')
    }
    assert.equal(slow.asked.length, 32, 'no more than 32 at a time')
  })

  it('name a host that is not there', async t => {
    const gone = new S3Client(s3Place({ ...KEYS, bucket: 'torrents', endpoint: 'http://127.0.0.1:9' }), {
      firstPauseMs: 10,
    })
    atEnd(t, () => gone.close())
    await assert.rejects(gone.ask(GET), told(/s3:\/\/torrents\/ab\/cd at http:\/\/127.0.0.1:9: .+/))
  })
})

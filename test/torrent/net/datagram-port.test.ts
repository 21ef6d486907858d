import assert from 'node:assert/strict'
import { test } from 'node:test'

import { UdpPort } from '../../../src/torrent/net/datagram-port.js'

test('a datagram reaches every listener until it ends or the port closes', async t => {
  const a = await UdpPort.open({ family: 4, host: '127.0.0.1', port: 0 })
  const b = await UdpPort.open({ family: 4, host: '127.0.0.1', port: 0 })
  t.after(() => Promise.all([a.close(), b.close()]))
  const heard: string[] = []
  const stop = b.listen(bytes => heard.push(`first ${Buffer.from(bytes).toString()}`))
  const both = (text: string): Promise<unknown> =>
    new Promise(resolve => {
      const end = b.listen((bytes, from) => {
        assert.deepEqual(from, { host: '127.0.0.1', port: a.port })
        heard.push(`second ${Buffer.from(bytes).toString()}`)
        end()
        resolve(undefined)
      })
      a.send(Buffer.from(text), { host: '127.0.0.1', port: b.port })
    })
  await both('x')
  stop()
  await both('y')
  assert.deepEqual(heard, ['first x', 'second x', 'second y'])
  // Whoever answers a datagram that was made up may be told this port.
  b.send(Buffer.from('nobody'), { host: '127.0.0.1', port: 0 })
  await b.close()
  b.send(Buffer.from('late'), { host: '127.0.0.1', port: a.port })
})

test('a port that is taken cannot be opened, and the error says which', async t => {
  const a = await UdpPort.open({ family: 4, host: '127.0.0.1', port: 0 })
  t.after(() => a.close())
  await assert.rejects(UdpPort.open({ family: 4, host: '127.0.0.1', port: a.port }), {
    code: 'ERR_TORRENTFS_LISTEN',
    message: new RegExp(`${a.port} of 127.0.0.1`),
  })
})

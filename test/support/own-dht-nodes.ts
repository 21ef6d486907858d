/**
 * A process of DHT nodes of ours: started with `{"listen": ["host:port", ...], "bootstrap": "host:port"}`, prints `connected` when each
 * knows some others, and ends with its standard input.
 */
import { Dht } from '../../src/torrent/discovery/dht/dht.js'
import { silentLogger } from '../../src/torrent/logger.js'
import { parseHostPort } from '../../src/torrent/metainfo/addresses.js'
import { UdpPort } from '../../src/torrent/net/datagram-port.js'

const { listen, bootstrap } = JSON.parse(process.argv[2]!) as { listen: string[]; bootstrap: string }
const nodes: Dht[] = []
for (const address of listen) {
  const { host, port } = parseHostPort(address)!
  const dht = new Dht({ bootstrap: [parseHostPort(bootstrap)!], logger: silentLogger })
  dht.attach([await UdpPort.open({ family: host.includes(':') ? 6 : 4, host, port })])
  // Asking anything begins it.
  await dht.getPeers('00'.repeat(20))
  nodes.push(dht)
}
while (nodes.some(node => node.status().nodes4 + node.status().nodes6 < 3)) {
  await new Promise(resolve => setTimeout(resolve, 50))
}
process.stdout.write('connected\n')
process.stdin.resume().on('end', () => process.exit(0))

/**
 * Row `webseed`: 512 MiB from nginx, as a torrent that nobody else has, read cold through the mount; beside curl of the
 * same file, and libtorrent's download from the same web seed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Bench, Group } from '../bench.js'
import { MIB, randomContent, type Content } from '../content.js'
import { libtorrentDownload } from '../downloads.js'
import { Mounted } from '../mounts.js'
import { findProgram, freshFolder } from '../places.js'
import { run, start, until } from '../processes.js'
import { readThrough } from '../reading.js'
import type { Measured } from '../report.js'
import { median } from '../statistics.js'

const LENGTH = 512 * MIB
const PORT = 8080

/** nginx on the seeder's side of the wire. @returns what ends it */
async function serve(bench: Bench, nginx: string, root: string): Promise<() => void> {
  const folder = freshFolder('nginx')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; events {}
http { access_log off; sendfile on; ${temporary.map(use => `${use}_temp_path ${folder};`).join(' ')}
server { listen ${bench.network.host}:${String(PORT)}; location / { root "${root}"; } } }
`,
  )
  const command = [nginx, '-c', join(folder, 'nginx.conf'), '-p', folder, '-e', 'stderr']
  const [program, ...args] = [...bench.network.prefix, ...command]
  const child = start(program!, args)
  await until('nginx listens', 10_000, () => {
    return new Promise<boolean>(resolve => {
      const socket = connect(PORT, bench.network.host)
      const end = (up: boolean) => () => {
        socket.destroy()
        resolve(up)
      }
      socket.once('connect', end(true)).once('error', end(false))
    })
  })
  return () => void child.kill('SIGTERM')
}

/** The torrent with a web seed in it: `url-list` sorts behind everything else. */
function seededBy(content: Content, url: string): Content {
  const torrent = join(freshFolder('webseed'), `${content.name}.torrent`)
  const list = `8:url-list${String(url.length)}:${url}e`
  writeFileSync(torrent, Buffer.concat([readFileSync(content.torrent).subarray(0, -1), Buffer.from(list)]))
  return { ...content, torrent }
}

async function mountRate(content: Content): Promise<number> {
  const mounted = await Mounted.start({ kind: 'ours', contents: [content] })
  try {
    return (await readThrough(mounted.path(content))).rate
  } finally {
    await mounted.stop()
  }
}

async function curlRate(url: string): Promise<number> {
  const outcome = await run('curl', ['-s', '-o', '/dev/null', '-w', '%{speed_download}', url])
  if (outcome.code !== 0) throw new Error(`curl ${url}: ${outcome.stderr}`)
  return Number(outcome.stdout) / MIB
}

export const webSeed: Group = {
  rows: ['webseed'],
  async measure(bench) {
    const nginx = findProgram('nginx', ['/usr/sbin'])
    if (nginx === undefined) return []
    const plain = randomContent(LENGTH)
    const stop = await serve(bench, nginx, plain.folder)
    const url = `http://${bench.network.host}:${String(PORT)}/${plain.name}`
    const content = seededBy(plain, url)
    const ours: number[] = []
    const curl: number[] = []
    const libtorrent: number[] = []
    try {
      for (let i = 0; i < bench.runs; i++) {
        if (Mounted.available('ours')) ours.push(await mountRate(content))
        if (findProgram('curl') !== undefined) curl.push(await curlRate(url))
        if (bench.seeder !== undefined) {
          const { bytes, seconds } = await libtorrentDownload(content, 'webseed')
          libtorrent.push(bytes / MIB / seconds)
        }
        const said = [ours, curl, libtorrent].map(rates => rates.at(-1)?.toFixed(0) ?? 'absent')
        bench.say(`  mount ${said[0]!}, curl ${said[1]!}, libtorrent ${said[2]!} MiB/s`)
      }
    } finally {
      stop()
    }
    const against = (name: string, theirs: readonly number[]): Measured => ({
      row: 'webseed',
      what: 'cold read through the mount from nginx alone',
      against: name,
      unit: 'MiB/s',
      ours: ours.length === 0 ? undefined : median(ours),
      peer: theirs.length === 0 ? undefined : median(theirs),
      oursRuns: ours,
      peerRuns: theirs,
    })
    return [against('curl to /dev/null', curl), against('libtorrent from the same web seed', libtorrent)]
  },
}

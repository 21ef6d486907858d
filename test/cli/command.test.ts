import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { daemonEntry } from '../support/project.js'
import { Scope } from '../support/scope.js'

const scope = new Scope()
after(() => scope.close())
const folder = scope.folder('torrentfs-command-')

function torrentfs(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  // A command that starts to serve instead of refusing would wait for ever.
  return spawnSync(process.execPath, [daemonEntry, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
  })
}

describe('the torrentfs command', { timeout: 120_000 }, () => {
  for (const flag of ['-help', '--help', '-h']) {
    it(`prints every flag to standard output for ${flag} and ends with 0`, () => {
      const { status, stdout, stderr } = torrentfs(flag)
      assert.equal(status, 0)
      assert.equal(stderr, '')
      for (const name of [
        'mountDir',
        'metainfoDir',
        'downloadDir',
        'storage',
        'partFiles',
        'listenAddr',
        'testPeer',
        'disableTrackers',
        'disableDht',
        'dhtBootstrap',
        'maxDownloadRate',
        'maxUploadRate',
        'disableUpload',
        'maxPeers',
        'maxPeersPerTorrent',
        'proxy',
        'blocklist',
        'bindInterface',
        'disablePortMapping',
        'disableWebseeds',
        'anonymous',
        'readaheadBytes',
        'readTimeout',
        'allowOther',
        'logLevel',
        'logFormat',
      ]) {
        assert.match(stdout, new RegExp(`^  -${name}\\b`, 'm'))
      }
      for (const line of stdout.split('\n')) assert.ok(line.length <= 120, line)
    })
  }

  it('prints its version', () => {
    const { status, stdout } = torrentfs('-version')
    assert.equal(status, 0)
    assert.match(stdout, /^torrentfs \d+\.\d+\.\d+\n$/)
  })

  const wrong: readonly (readonly [title: string, args: readonly string[], message: RegExp])[] = [
    ['a missing -mountDir', [], /-mountDir is required/],
    ['an empty -mountDir', ['-mountDir='], /-mountDir=: /],
    ['an unknown flag', ['-mountDir=m', '-seed'], /unknown flag -seed/],
    ['a misspelt flag', ['-mountdir=m'], /did you mean -mountDir\?/],
    ['a positional argument', ['-mountDir=m', 'other'], /unexpected argument "other"/],
    ['a bad listen address', ['-mountDir=m', '-listenAddr=nowhere'], /-listenAddr=nowhere: /],
    ['a bad port', ['-mountDir=m', '-listenAddr=:70000'], /-listenAddr=:70000: .*65535/],
    ['a peer without a port', ['-mountDir=m', '-testPeer=127.0.0.1'], /-testPeer=127\.0\.0\.1: /],
    ['a bad size', ['-mountDir=m', '-readaheadBytes=lots'], /-readaheadBytes=lots: .*10MiB/],
    ['a time without a unit', ['-mountDir=m', '-readTimeout', '30'], /-readTimeout=30: .*30s/],
    ['a number of peers that is none', ['-mountDir=m', '-maxPeers=0'], /-maxPeers=0: /],
    ['a rate that is no size', ['-mountDir=m', '-maxUploadRate=fast'], /-maxUploadRate=fast: /],
    [
      'a proxy of no known kind',
      ['-mountDir=m', '-proxy=ftp://host:1'],
      /-proxy=.*: proxy: ftp:\/\/ is no kind/,
    ],
    [
      'a blocklist of no known kind',
      ['-mountDir=m', '-blocklist=ftp://host/list'],
      /-blocklist=.*no URL of http/,
    ],
    ['a DHT node without a port', ['-mountDir=m', '-dhtBootstrap=127.0.0.1'], /-dhtBootstrap=127\.0\.0\.1: /],
    ['a bad switch', ['-mountDir=m', '-disableTrackers=perhaps'], /-disableTrackers=perhaps: /],
    ['a bad level', ['-mountDir=m', '-logLevel=loud'], /-logLevel=loud: .*debug/],
    ['a bad format', ['-mountDir=m', '-logFormat=xml'], /-logFormat=xml: .*json/],
  ]
  for (const [title, args, message] of wrong) {
    it(`ends with 2 and a message that names the flag for ${title}`, () => {
      const { status, stdout, stderr } = torrentfs(...args)
      assert.equal(status, 2, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.match(stderr, /^torrentfs: .*\n.*-help.*\n$/)
    })
  }

  const nested: readonly (readonly [
    title: string,
    mount: string,
    metainfo: string,
    download: string,
    flag: string,
  ])[] = [
    ['the same as -downloadDir', 'd', 't', 'd', 'downloadDir'],
    ['the same as -metainfoDir', 't', 't', 'd', 'metainfoDir'],
    ['inside -downloadDir', 'd/m', 't', 'd', 'downloadDir'],
    ['inside -metainfoDir', 't/not/yet/there', 't', 'd', 'metainfoDir'],
    ['around -downloadDir', 'a', 't', 'a/d', 'downloadDir'],
    ['around -metainfoDir', 'a', 'a/t', 'd', 'metainfoDir'],
    ['inside -downloadDir by a symbolic link', 'link/m', 't', 'd', 'downloadDir'],
    ['around -downloadDir by a symbolic link', 'd', 't', 'link/deeper', 'downloadDir'],
    ['around -downloadDir by dots', 'a', 't', 'x/../a/d', 'downloadDir'],
  ]
  for (const [title, mount, metainfo, download, flag] of nested) {
    it(`refuses a -mountDir that is ${title}`, () => {
      for (const name of ['d', 't', 'a']) mkdirSync(join(folder, name), { recursive: true })
      try {
        symlinkSync('d', join(folder, 'link'))
      } catch {
        // An earlier case has made it.
      }
      const { status, stderr } = torrentfs(
        `-mountDir=${mount}`,
        `-metainfoDir=${metainfo}`,
        `-downloadDir=${download}`,
      )
      assert.equal(status, 2, stderr)
      assert.match(stderr, new RegExp(`-${flag}`))
      assert.match(stderr, /-mountDir/)
    })
  }

  it('refuses a -storage inside of the mount', () => {
    mkdirSync(join(folder, 'd'), { recursive: true })
    const place = ['-mountDir=m', '-metainfoDir=/nowhere/torrents', '-downloadDir=d']
    const { status, stderr } = torrentfs(...place, `-storage=blob:${join(folder, 'm', 'objects')}`)
    assert.equal(status, 2, stderr)
    assert.match(stderr, /-storage .*objects.* lies inside -mountDir/)
  })

  it('refuses a -mountDir around the current folder, where data goes by default', () => {
    const { status, stderr } = torrentfs('-mountDir=..', '-metainfoDir=/nowhere/torrents')
    assert.equal(status, 2, stderr)
    assert.match(stderr, /-downloadDir/)
  })

  it('refuses a folder flag that names a file', () => {
    writeFileSync(join(folder, 'file'), '')
    const { status, stderr } = torrentfs('-mountDir=m', '-metainfoDir=file', '-downloadDir=d')
    assert.equal(status, 2)
    assert.match(stderr, /-metainfoDir=.*file: this is not a folder/)
  })

  it('ends with 1 and one line that says what and where when the mount folder cannot be made', () => {
    writeFileSync(join(folder, 'file'), '')
    const { status, stderr } = torrentfs(
      '-mountDir=file/m',
      '-metainfoDir=t',
      '-downloadDir=d',
      '-disableTrackers',
      '-disableDht',
    )
    assert.equal(status, 1, stderr)
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
    assert.match(stderr, /file\/m/)
  })

  it('ends with 1 and one line that names the address when it cannot listen', () => {
    const { status, stderr } = torrentfs(
      '-mountDir=m',
      '-metainfoDir=t',
      '-downloadDir=d',
      '-listenAddr=192.0.2.1:6881',
    )
    assert.equal(status, 1, stderr)
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
    assert.match(stderr, /192\.0\.2\.1:6881/)
  })
})

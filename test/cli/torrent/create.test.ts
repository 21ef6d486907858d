/** `torrent create`, held against the programs others make torrents with. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { createTorrent } from '../../../src/torrent/create.js'
import { parseMetainfo } from '../../../src/torrent/metainfo/metainfo.js'
import { check, type Outcome } from '../../support/child.js'
import { skipWithout, systemPython } from '../../support/project.js'
import { Scope } from '../../support/scope.js'
import { torrentCommand } from '../../support/torrent-command.js'

const scope = new Scope()
after(() => scope.close())
const folder = scope.folder('torrentfs-create-')
const root = join(folder, 'some content')
for (const inner of ['a', 'é x', 'a/deep/er']) mkdirSync(join(root, inner), { recursive: true })
// Whole paths in the order of their bytes: `a.txt` comes before `a/x`, though the folder `a` sorts before `a.txt`.
for (const [path, size] of [
  ['B', 2],
  ['a.txt', 100_000],
  ['a/deep/er/x', 1],
  ['a/x', 70_000],
  ['é x/b', 330_000],
] as const)
  writeFileSync(join(root, path), randomBytes(size))
// Transmission 3 orders without regard to case, with what is not ASCII first.
const plainRoot = join(folder, 'plain')
mkdirSync(join(plainRoot, 'a', 'b'), { recursive: true })
for (const path of ['a.txt', 'a/x', 'a/b/c', 'z']) writeFileSync(join(plainRoot, path), randomBytes(70_000))

async function create(...args: string[]): Promise<Outcome> {
  return torrentCommand(scope, ['create', ...args], { cwd: folder })
}

/** Makes one and gives its infohash. */
async function infohashOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await create(...args, '--json', '--force', '--output', 'ours.torrent')
  assert.equal(code, 0, stderr)
  return (JSON.parse(stdout) as { infohash: string }).infohash
}

/** libtorrent's infohash of the same files, options and order. */
const LIBTORRENT = `
import os, sys, libtorrent as lt
root, piece, private = sys.argv[1], int(sys.argv[2]), sys.argv[3] == 'private'
base = os.path.dirname(root)
names = [root] if os.path.isfile(root) else [os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs]
fs = lt.file_storage()
for name in sorted(names, key=os.fsencode):
    fs.add_file(os.path.relpath(name, base), os.path.getsize(name))
t = lt.create_torrent(fs, piece, lt.create_torrent.v1_only)
t.set_priv(private)
lt.set_piece_hashes(t, base)
print(lt.torrent_info(t.generate()).info_hashes().v1)
`

describe('torrent create', { timeout: 300_000 }, () => {
  for (const [what, file] of [
    ['a folder', undefined],
    ['a file', join(root, 'a.txt')],
  ] as const) {
    const path = file ?? root
    it(
      `gives ${what} the infohash that libtorrent gives it`,
      { skip: skipWithout('libtorrent') },
      async () => {
        for (const kind of ['public', 'private']) {
          const theirs = await check(scope, systemPython, ['-c', LIBTORRENT, path, '32768', kind])
          const flags = kind === 'private' ? ['--private'] : []
          assert.equal(await infohashOf(path, '-l', '32KiB', ...flags), theirs.stdout.trim(), kind)
        }
      },
    )

    it(
      `gives ${what} the infohash that transmission gives it`,
      { skip: skipWithout('transmission') },
      async () => {
        const out = join(folder, 'transmission.torrent')
        const path = file ?? plainRoot
        await check(scope, 'transmission-create', ['-p', '-t', 'http://t/', '-s', '64', '-o', out, path])
        const theirs = parseMetainfo(readFileSync(out)).info.infohash
        assert.equal(await infohashOf(path, '-l', '64k', '--private'), theirs)
      },
    )

    it(`gives ${what} the infohash that mktorrent gives it`, { skip: skipWithout('mktorrent') }, async () => {
      const out = join(folder, `mktorrent-${what.length}.torrent`)
      await check(scope, 'mktorrent', ['-l', '15', '-s', 'mark', '-n', 'other name', '-o', out, path])
      const theirs = parseMetainfo(readFileSync(out)).info.infohash
      assert.equal(await infohashOf(path, '-l', '32k', '-s', 'mark', '-n', 'other name'), theirs)
    })
  }

  it(
    'writes files that transmission and aria2 read, with all that stands in them',
    { skip: skipWithout('transmission', 'aria2c') },
    async () => {
      const args = [
        '-t',
        'http://t.example/a,udp://u.example:1',
        '-t',
        'udp://v.example:2',
        '-c',
        'some words',
      ]
      const made = await create(root, ...args, '-w', 'http://w.example/', '-o', 'all.torrent')
      assert.equal(made.code, 0, made.stderr)
      const path = join(folder, 'all.torrent')
      const { infohash } = parseMetainfo(readFileSync(path)).info
      assert.ok(made.stdout.endsWith(`\ninfohash ${infohash}\n`), made.stdout)
      const shown = (await check(scope, 'transmission-show', [path])).stdout
      for (const text of [
        `Hash: ${infohash}`,
        'Comment: some words',
        'Created by: torrentfs/',
        'Public torrent',
        'w.example',
      ])
        assert.ok(shown.includes(text), `${text} in ${shown}`)
      assert.match(
        shown,
        /Tier #1\s+http:\/\/t\.example\/a\s+udp:\/\/u\.example:1\s+Tier #2\s+udp:\/\/v\.example:2/,
      )
      assert.match(shown, /some content\/é x\/b/)
      const listed = (await check(scope, 'aria2c', ['--show-files', path])).stdout
      assert.ok(listed.includes(infohash) && listed.includes('some content/a/deep/er/x'), listed)
    },
  )

  it('makes the same bytes each time on request, to standard output too', async () => {
    const flags = ['--no-date', '--no-creator', '--workers', '3', '-o', '-']
    const [first, second] = [await create(root, ...flags), await create(root, ...flags)]
    assert.equal(first.code, 0, first.stderr)
    assert.equal(first.stderr, '')
    assert.equal(first.stdout, second.stdout)
    assert.ok(first.stdout.startsWith('d4:infod'), 'nothing but the torrent file')
    const epoch = await torrentCommand(scope, ['create', root, '-o', 'epoch.torrent'], {
      cwd: folder,
      env: { SOURCE_DATE_EPOCH: '1000000000' },
    })
    assert.equal(epoch.code, 0)
    assert.equal(parseMetainfo(readFileSync(join(folder, 'epoch.torrent'))).creationDate, 1e12)
  })

  it('names the torrent after the root, beside which it does not go but in the current folder', async () => {
    const inner = join(folder, 'inner')
    mkdirSync(inner)
    const { code } = await torrentCommand(scope, ['create', '../some content/'], { cwd: inner })
    assert.equal(code, 0)
    assert.deepEqual(readdirSync(inner), ['some content.torrent'])
  })

  it('says what it leaves out, and takes what links point to on request', async () => {
    const odd = join(folder, 'odd')
    mkdirSync(join(odd, 'empty'), { recursive: true })
    writeFileSync(join(odd, 'file'), 'x')
    writeFileSync(join(odd, '.hidden'), 'y')
    symlinkSync('/nowhere/at/all', join(odd, 'dangling'))
    symlinkSync(root, join(odd, 'link'))
    symlinkSync('.', join(odd, 'loop'))
    await check(scope, 'mkfifo', [join(odd, 'pipe')])
    const names = async (...flags: string[]): Promise<{ stderr: string; names: string[] }> => {
      const { stderr, code } = await create(odd, '--force', '-o', 'odd.torrent', ...flags)
      assert.equal(code, 0, stderr)
      const { files } = parseMetainfo(readFileSync(join(folder, 'odd.torrent'))).info
      return { stderr, names: files.map(file => file.path.join('/')) }
    }
    const plain = await names()
    assert.deepEqual(plain.names, ['.hidden', 'file'])
    for (const [name, reason] of [
      ['dangling', 'symbolic link'],
      ['link', 'symbolic link'],
      ['loop', 'symbolic link'],
      ['pipe', 'special file'],
    ])
      assert.ok(plain.stderr.includes(`left out ${odd}/${name}: ${reason}\n`), plain.stderr)
    const followed = await names('--follow-links', '--skip-hidden')
    assert.deepEqual(followed.names, [
      'file',
      'link/B',
      'link/a.txt',
      'link/a/deep/er/x',
      'link/a/x',
      'link/é x/b',
    ])
    assert.match(followed.stderr, /left out .*dangling: dangling symbolic link\n/)
    assert.match(followed.stderr, /left out .*loop: loop of symbolic links\n/)
  })

  const bad: readonly (readonly [title: string, args: readonly string[], status: number, message: RegExp])[] =
    [
      ['no root', [], 2, /^torrent create: missing required argument 'ROOT' \(see/],
      ['a root that is not there', ['absent'], 1, /^torrent create: cannot read .*absent: ENOENT/],
      ['a root that is no file', ['/dev/null'], 1, /^torrent create: \/dev\/null is neither a file nor/],
      ['the root of all', ['/'], 2, /^torrent create: ROOT \/ has no name: give one with --name/],
      ['an odd piece length', ['x', '-l', '3000'], 2, /--piece-length=3000: expected a power of two/],
      ['a piece length too small', ['x', '-l', '8k'], 2, /--piece-length=8k: expected a power of two/],
      ['a tracker that is no URL', ['x', '-t', 'tracker'], 2, /--tracker=tracker: expected URLs/],
      [
        'one bad tracker of a tier',
        ['x', '-t', 'http://a/b,c'],
        2,
        /--tracker=http:\/\/a\/b,c: expected URLs/,
      ],
      ['a web seed that is no URL', ['x', '-w', 'there'], 2, /--web-seed=there: expected a URL/],
      ['a name with a slash', ['x', '-n', 'a/b'], 2, /--name=a\/b: expected the name/],
      ['no workers', ['x', '--workers', '0'], 2, /--workers=0: expected a whole number/],
      [
        'an output that is there',
        ['some content', '-o', 'inner'],
        1,
        /cannot write inner: it is there already/,
      ],
      [
        'an output in a folder that is not there',
        ['some content', '-o', 'no/x'],
        1,
        /cannot write no\/x: no such/,
      ],
    ]
  for (const [title, args, status, message] of bad) {
    it(`ends with ${status} and one line for ${title}`, async () => {
      const { code, stdout, stderr } = await create(...args)
      assert.equal(code, status, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.match(stderr, /^[^\n]+\n$/)
    })
  }

  it('makes nothing of empty folders and empty files', async () => {
    mkdirSync(join(folder, 'void', 'empty'), { recursive: true })
    const none = await create('void')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /^torrent create: no files to make a torrent of in .*void\n$/)
    writeFileSync(join(folder, 'void', 'nothing'), '')
    const empty = await create('void')
    assert.equal(empty.code, 1)
    assert.match(empty.stderr, /^torrent create: there is not one byte in void/)
    assert.equal(existsSync(join(folder, 'void.torrent')), false)
  })

  it('agrees with the library', async () => {
    const library = parseMetainfo(await createTorrent(root, { private: true, source: 's' })).info.infohash
    assert.equal(await infohashOf(root, '-p', '-s', 's'), library)
  })
})

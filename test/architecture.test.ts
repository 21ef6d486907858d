/**
 * The shape of the house, as ARCHITECTURE.md tells it, held against the sources: which part may know which other.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { parseSource, readSources, type SourceFile } from './support/import-graph.js'
import { projectRoot } from './support/project.js'

/** Words everyone in the engine may use: they know nothing themselves. */
const VOCABULARY = new Set(['torrent/errors.ts', 'torrent/logger.ts'])

/** The modules that package.json gives out beside the index: they may gather what they like of the engine. */
const ENTRIES = 'torrent/entries'

/** What a part may import beside itself and the vocabulary. The engine's top may import all of the engine. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  native: [],
  'torrent/pieces': [],
  'torrent/metainfo': ['torrent/pieces'],
  'torrent/wire': ['torrent/pieces', 'torrent/metainfo'],
  'torrent/core': ['torrent/pieces', 'torrent/metainfo', 'torrent/wire'],
  'torrent/capacity': ['torrent/pieces', 'torrent/core'],
  'torrent/storage': ['torrent/pieces', 'torrent/metainfo', 'native'],
  'torrent/data': ['torrent/pieces', 'torrent/metainfo', 'torrent/storage'],
  'torrent/hashing': [],
  'torrent/net': ['torrent/metainfo'],
  'torrent/peer': ['torrent/pieces', 'torrent/metainfo', 'torrent/wire', 'torrent/net'],
  'torrent/discovery': ['torrent/pieces', 'torrent/metainfo', 'torrent/wire', 'torrent/net'],
  'torrent/tracker': ['torrent/metainfo', 'torrent/wire', 'torrent/net', 'torrent/discovery'],
  'torrent/extensions': [
    'torrent/pieces',
    'torrent/metainfo',
    'torrent/wire',
    'torrent/core',
    'torrent/net',
    'torrent/peer',
  ],
  'torrent/webseed': ['torrent/pieces', 'torrent/metainfo', 'torrent/net'],
  fs: ['torrent/index.ts', 'native'],
  watch: ['torrent/index.ts'],
  cli: ['torrent/index.ts', 'torrent/entries', 'fs/index.ts', 'watch/index.ts'],
}

/** Parts that compute and nothing else, with the node modules they need for it. */
const PURE: Readonly<Record<string, readonly string[]>> = {
  'torrent/pieces': [],
  'torrent/metainfo': ['node:crypto'],
  'torrent/core': [],
  'torrent/wire': ['node:crypto'],
  'torrent/capacity': [],
}

/** Time, chance and the world: the core is told of them by events. */
const WORLDLY = [
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'crypto',
  'console',
  'fetch',
  'Worker',
]

const MAX_LINES = 400

/** `torrent/core`, `fs`, ...; `torrent` for the files at the engine's top. */
function partOf(path: string): string {
  const parts = path.split('/')
  if (parts[0] !== 'torrent') return parts[0]!
  return parts.length > 2 ? `torrent/${parts[1]}` : 'torrent'
}

function isInside(path: string): boolean {
  return /\.c?ts$/.test(path)
}

/** Arrows that run the wrong way. */
function wrongArrows(sources: readonly SourceFile[]): string[] {
  const wrong: string[] = []
  for (const { path, imports } of sources) {
    const part = partOf(path)
    for (const { to, line } of imports) {
      if (!isInside(to) || partOf(to) === part) continue
      if ((part === 'torrent' || part === ENTRIES) && /^torrent(?!\/entries)/.test(partOf(to))) continue
      if (part.startsWith('torrent/') && VOCABULARY.has(to)) continue
      const allowed = MAY_IMPORT[part] ?? []
      if (!allowed.includes(partOf(to)) && !allowed.includes(to)) wrong.push(`${path}:${line} imports ${to}`)
    }
  }
  return wrong
}

/** Circles of files that need one another at run time. */
function circles(sources: readonly SourceFile[]): string[] {
  const graph = new Map(
    sources.map(({ path, imports }) => [path, imports.filter(edge => !edge.typeOnly).map(edge => edge.to)]),
  )
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) {
      found.push([...trail.slice(at), path].join(' -> '))
      return
    }
    if (done.has(path)) return
    for (const to of graph.get(path) ?? []) visit(to, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

function impurities(sources: readonly SourceFile[]): string[] {
  const wrong: string[] = []
  for (const { path, imports, names } of sources) {
    const allowed = PURE[partOf(path)]
    if (allowed === undefined) continue
    for (const { to, line } of imports) {
      if (to.startsWith('node:') && !allowed.includes(to)) wrong.push(`${path}:${line} imports ${to}`)
    }
    for (const name of WORLDLY) {
      const line = names.get(name)
      if (line !== undefined) wrong.push(`${path}:${line} uses ${name}`)
    }
  }
  return wrong
}

/** Who imports each package. */
function importers(sources: readonly SourceFile[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { path, imports } of sources) {
    for (const { to } of imports) {
      if (isInside(to) || to.startsWith('node:')) continue
      found.set(to, (found.get(to) ?? new Set()).add(path))
    }
  }
  return found
}

describe('the architecture', () => {
  const sources = readSources()
  const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
    optionalDependencies: Record<string, string>
  }

  it('has arrows that point one way', () => {
    assert.ok(sources.length > 50, 'the sources were found')
    assert.deepEqual(wrongArrows(sources), [])
  })

  it('knows the place of every folder', () => {
    const unknown = new Set(sources.map(({ path }) => partOf(path)))
    for (const part of ['torrent', ENTRIES, ...Object.keys(MAY_IMPORT)]) unknown.delete(part)
    assert.deepEqual([...unknown], [])
  })

  it('imports only files that exist', () => {
    const paths = new Set(sources.map(({ path }) => path))
    const missing = sources.flatMap(({ path, imports }) =>
      imports.filter(({ to }) => isInside(to) && !paths.has(to)).map(({ to }) => `${path}: ${to}`),
    )
    assert.deepEqual(missing, [])
  })

  it('has no circles', () => {
    assert.deepEqual(circles(sources), [])
  })

  it('keeps the pure parts pure', () => {
    assert.deepEqual(impurities(sources), [])
  })

  it('has chance in no pure part', () => {
    for (const { path } of sources) {
      if (PURE[partOf(path)] === undefined) continue
      assert.doesNotMatch(
        readFileSync(join(projectRoot, 'src', path), 'utf8'),
        /Math\.random|randomBytes/,
        path,
      )
    }
  })

  it('has exactly one importer for each package it depends on, and depends on each it imports', () => {
    const found = importers(sources)
    for (const [name, files] of found) assert.equal(files.size, 1, `${name}: ${[...files].join(', ')}`)
    const named = { ...manifest.dependencies, ...manifest.optionalDependencies }
    // Nothing imports the types of Node.js: our declarations name them, for who compiles against those.
    const code = Object.keys(named).filter(name => !name.startsWith('@types/'))
    assert.deepEqual([...found.keys()].sort(), code.sort())
  })

  it('names files after what they are', () => {
    const vague = sources.filter(({ path }) =>
      /(^|-)(util|helper|manager|misc|common)s?(-|\.)/.test(basename(path)),
    )
    assert.deepEqual(
      vague.map(({ path }) => path),
      [],
    )
  })

  it('keeps files short enough to be read at once', () => {
    const long = sources.filter(({ lines }) => lines > MAX_LINES)
    assert.deepEqual(
      long.map(({ path, lines }) => `${path}: ${lines} lines`),
      [],
    )
  })

  it('opens each file with what it is', () => {
    const bare = sources.filter(({ opening }) => !/^("use strict";?\n)?\/\*\*/.test(opening))
    assert.deepEqual(
      bare.map(({ path }) => path),
      [],
    )
  })
})

describe('the rules above', () => {
  it('see an arrow that runs back, whether it carries a type or a value', () => {
    const sources = [
      parseSource('torrent/core/a.ts', `import type { B } from '../peer/b.js'`),
      parseSource('watch/a.ts', `export { c } from '../torrent/client.js'`),
      parseSource('torrent/pieces/a.ts', `// import x from '../core/a.js'\nimport { t } from '../errors.js'`),
      parseSource('fs/a.ts', `const x = await import('../cli/main.js')`),
    ]
    assert.deepEqual(wrongArrows(sources), [
      'torrent/core/a.ts:1 imports torrent/peer/b.ts',
      'watch/a.ts:1 imports torrent/client.ts',
      'fs/a.ts:1 imports cli/main.ts',
    ])
  })

  it('see a circle of values, and let one of types be', () => {
    const a = parseSource('fs/a.ts', `import { b } from './b.js'`)
    const types = parseSource('fs/b.ts', `import { type a } from './a.js'`)
    const values = parseSource('fs/b.ts', `import { type a, c } from './a.js'`)
    assert.deepEqual(circles([a, types]), [])
    assert.deepEqual(circles([a, values]), ['fs/a.ts -> fs/b.ts -> fs/a.ts'])
  })

  it('see a clock and a socket in a pure part, and a member that is only called like one', () => {
    const sources = [
      parseSource('torrent/core/a.ts', `import 'node:net'\nconst t = Date.now()`),
      parseSource('torrent/core/b.ts', `const t = options.process\nconst u = { Date: 1 }`),
      parseSource('torrent/peer/a.ts', `const t = Date.now()`),
    ]
    assert.deepEqual(impurities(sources), [
      'torrent/core/a.ts:1 imports node:net',
      'torrent/core/a.ts:2 uses Date',
    ])
  })

  it('count the importers of a package, whatever of it they import', () => {
    const sources = [
      parseSource('fs/a.ts', `import a from '@scope/name/deep'`),
      parseSource('fs/b.ts', `import type { b } from '@scope/name'`),
    ]
    assert.deepEqual(importers(sources), new Map([['@scope/name', new Set(['fs/a.ts', 'fs/b.ts'])]]))
  })
})

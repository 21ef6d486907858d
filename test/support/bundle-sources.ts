/** What the files of the bundle are made of. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildRoot } from './project.js'

const BUNDLE = pathToFileURL(join(buildRoot, 'bundle')).href

/** URLs of the sources of a module, by its source map; none for what is not in the bundle. */
export function sourcesOf(url: string): string[] {
  if (!url.startsWith(BUNDLE) || !url.endsWith('.js')) return []
  const map = JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, 'utf8')) as { sources: string[] }
  return map.sources.map(source => new URL(source, url).href)
}

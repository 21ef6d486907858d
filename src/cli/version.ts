/**
 * The package's version, read from its `package.json`.
 */

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Such as `0.1.0`; `unknown` when the package's own file is not there. */
export function packageVersion(): string {
  for (
    let folder = dirname(fileURLToPath(import.meta.url));
    folder !== dirname(folder);
    folder = dirname(folder)
  ) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: string
        version?: string
      }
      if (manifest.name === 'torrentfs' && manifest.version !== undefined) return manifest.version
    } catch {
      // Not here: look further up.
    }
  }
  return 'unknown'
}

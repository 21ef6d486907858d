/** Reads the CPU profiles Node writes and tells where the time went: self time by function, each thread apart. */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** The functions of one profile with the most self time, as lines of text. */
function summarize(file: string, lines: number): string {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const names = new Map(
    profile.nodes.map(({ id, callFrame }) => {
      const where = callFrame.url.split('/').slice(-2).join('/')
      const name = callFrame.functionName || '(anonymous)'
      return [id, where === '' ? name : `${name} ${where}:${String(callFrame.lineNumber + 1)}`]
    }),
  )
  const self = new Map<string, number>()
  let total = 0
  profile.samples.forEach((sample, i) => {
    const time = (profile.timeDeltas[i] ?? 0) / 1000
    const name = names.get(sample) ?? '?'
    if (name === '(idle)') return
    self.set(name, (self.get(name) ?? 0) + time)
    total += time
  })
  const top = [...self].sort((a, b) => b[1] - a[1]).slice(0, lines)
  const rows = top.map(([name, time]) => {
    const share = `${((100 * time) / total).toFixed(1)} %`
    return `  ${share.padStart(7)} ${time.toFixed(0).padStart(7)} ms  ${name}`
  })
  return [`${file}: ${total.toFixed(0)} ms not idle`, ...rows].join('\n')
}

/**
 * Summaries of the profiles in a folder.
 * @param since only those written after this time, ms since the epoch
 */
export function summarizeProfiles(folder: string, since: number, lines = 22): string {
  return readdirSync(folder)
    .filter(name => name.endsWith('.cpuprofile') && statSync(join(folder, name)).mtimeMs >= since)
    .map(name => summarize(join(folder, name), lines))
    .join('\n')
}

/**
 * The wire between the seeder and whoever is measured: a network namespace of its own joined by a veth pair, so
 * that both sides pay for a real TCP path and nothing else shares it. Without the right to make one, loopback.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { onEnd } from './processes.js'

/** Where a seeder runs and how it is reached. */
export interface Network {
  /** What to put before a command so that it runs on the seeder's side. */
  readonly prefix: readonly string[]
  /** Address of the seeder's side. */
  readonly host: string
  readonly describe: string
}

const NAME = 'tfbench'

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}

/** Removes what a bench that was killed left behind. */
function sweep(): void {
  if (!existsSync('/run/netns')) return
  for (const name of readdirSync('/run/netns')) {
    const pid = new RegExp(`^${NAME}-(\\d+)$`).exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) ip('netns', 'del', name)
  }
}

/**
 * Sets how the seeder's TCP answers to the wire, and tells what is in force; without a wish the machine's own
 * choice stands.
 *
 * It matters: BBR's pacing falls silent for 60 ms now and then on a wire this short, after a pause of a few ms (seen
 * by tcpdump: everything acknowledged, the window open, bytes waiting), in one of thirty random reads, whoever asks;
 * and clients that ask for little at a time get half of what they get from a seeder with reno.
 */
function congestionControl(space: string, wish: string | undefined): string {
  const knob = '/proc/sys/net/ipv4/tcp_congestion_control'
  const script = wish === undefined ? `cat ${knob}` : `echo ${wish} > ${knob} && cat ${knob}`
  return execFileSync('ip', ['netns', 'exec', space, 'sh', '-c', script], { stdio: 'pipe' }).toString().trim()
}

/**
 * Makes the namespace; it is removed when the bench ends.
 * @param congestion the seeder's TCP congestion control; else the machine's own
 */
export function makeNetwork(congestion?: string): Network {
  const id = process.pid
  const space = `${NAME}-${String(id)}`
  const [near, far] = [`tfb${String(id)}a`, `tfb${String(id)}b`]
  // One /30 for each process id, inside 198.18.0.0/15, the range set apart for benchmarks (RFC 2544).
  const subnet = (id * 4) % 131072
  const address = (last: number): string =>
    `198.${String(18 + (subnet >> 16))}.${String((subnet >> 8) & 255)}.${String((subnet & 255) + last)}`
  try {
    sweep()
    ip('netns', 'add', space)
    onEnd(() => {
      ip('netns', 'del', space)
    })
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', space)
    ip('addr', 'add', `${address(1)}/30`, 'dev', near)
    ip('link', 'set', near, 'up')
    for (const args of [
      ['addr', 'add', `${address(2)}/30`, 'dev', far],
      ['link', 'set', far, 'up'],
      ['link', 'set', 'lo', 'up'],
    ]) {
      ip('-n', space, ...args)
    }
    return {
      prefix: ['ip', 'netns', 'exec', space],
      host: address(2),
      describe: `own namespace, veth, ${congestionControl(space, congestion)}`,
    }
  } catch {
    return { prefix: [], host: '127.0.0.1', describe: 'loopback (no right to make a network namespace)' }
  }
}

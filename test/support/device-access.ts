/**
 * The permissions of `/dev/fuse`, opened to everyone while a test needs it, and given back by the last one that does.
 *
 * Test files run at once, each in a process of its own: a folder that all of them know holds the mode found, and a mark of
 * each process; `flock` keeps them apart. A process that died leaves its mark, which the next one takes away.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from './scope.js'

const DEVICE = '/dev/fuse'

/** What `sh` runs with the lock held: $0 the folder, $1 this process's mark, $2 what to do, $3 the device. */
const SCRIPT = `
set -eu
mkdir -p "$0/holders"
rm -f "$0/holders/$1"
for mark in "$0/holders"/*; do
  pid=\${mark##*/}; pid=\${pid%.*}
  [ -e "$mark" ] || continue
  started=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20) || true
  [ "$pid.$started" = "\${mark##*/}" ] || rm -f "$mark"
done
if [ "$2" = open ]; then
  [ -e "$0/mode" ] || stat -c %a "$3" > "$0/mode"
  : > "$0/holders/$1"
  chmod 666 "$3"
elif [ -e "$0/mode" ] && [ -z "$(ls -A "$0/holders")" ]; then
  chmod "$(cat "$0/mode")" "$3"
  rm "$0/mode"
fi
`

/** The number and the start of this process: together they never come again. */
function markOf(): string {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  // Behind the name, which may hold anything: the third field is the first there, the start the 22nd.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return `${process.pid}.${fields[19]}`
}

/**
 * Lets everyone open the device until the scope ends. As root alone; once at a time in a process.
 *
 * @param o another folder for the marks and another device, to test this
 */
export function openDevice(scope: Scope, o: { folder?: string; device?: string } = {}): void {
  const { folder = join(tmpdir(), 'torrentfs-test-device'), device = DEVICE } = o
  const change = (what: 'open' | 'close'): void => {
    const shell = ['sh', '-c', SCRIPT, folder, markOf(), what, device]
    const { status, stderr } = spawnSync('flock', [`${folder}.lock`, ...shell], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`the mode of ${device}: ${stderr}`)
  }
  change('open')
  const close = (): void => change('close')
  scope.defer(close, close)
}

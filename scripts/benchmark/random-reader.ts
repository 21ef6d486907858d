/**
 * A program: reads what the file it is given says as JSON: at given offsets of one file and prints the ms of each read as JSON. Synchronous on purpose:
 * nothing of this process's own event loop is in the figures.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

interface Task {
  readonly path: string
  readonly offsets: readonly number[]
  readonly length: number
  readonly reopen?: boolean
  readonly rest?: number
}

const task = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Task
const sleep = new Int32Array(new SharedArrayBuffer(4))
const buffer = Buffer.alloc(task.length)
const times: number[] = []
let file = task.reopen === true ? -1 : openSync(task.path, 'r')
for (const offset of task.offsets) {
  if (task.rest !== undefined) Atomics.wait(sleep, 0, 0, task.rest)
  const began = performance.now()
  if (task.reopen === true) file = openSync(task.path, 'r')
  let read = 0
  while (read < task.length) {
    const n = readSync(file, buffer, read, task.length - read, offset + read)
    if (n === 0) throw new Error(`end of file at ${String(offset + read)}`)
    read += n
  }
  times.push(performance.now() - began)
  if (task.reopen === true) closeSync(file)
}
process.stdout.write(JSON.stringify(times))

/**
 * The worker threads of stores, and one that is started before there is a store.
 *
 * Must not know what they do.
 */
import { Worker } from 'node:worker_threads'

let ready: Worker | undefined

/**
 * Starts a worker for the next store: for a program that is going to store something and has yet to load the engine, which takes
 * as long as a worker takes to start. Never throws: a store that finds no worker starts one, and tells what is wrong.
 */
export function readyStoreWorker(): void {
  if (ready !== undefined) return
  try {
    const worker = startStoreWorker()
    const forget = (): void => {
      if (ready === worker) ready = undefined
    }
    worker.once('error', forget)
    worker.once('exit', forget)
    ready = worker
  } catch {
    // See above.
  }
}

/** A worker of the caller's own, which does not keep the process alive. @throws what stands in the way of a thread */
export function takeStoreWorker(): Worker {
  const worker = ready ?? startStoreWorker()
  ready = undefined
  return worker
}

function startStoreWorker(): Worker {
  const worker = new Worker(new URL('./store-worker.js', import.meta.url), {
    name: 'torrentfs-store',
    // Flags of the program, such as a debugger's or a test runner's, are not meant for this thread.
    execArgv: [],
  })
  worker.unref()
  return worker
}

/**
 * The entry of a store worker thread: messages in, messages out. The work is the engine's.
 */
import { parentPort } from 'node:worker_threads'
import { StoreEngine } from './store-engine.js'
import type { StoreReply, StoreRequest } from './store-protocol.js'

/** Replies are kept back this long, in ms, to travel together: a reader waits for none of them longer than that. */
const GATHER_MS = 0.5

const port = parentPort
if (port === null) throw new Error('store-worker is the entry of a worker thread')

const engine = new StoreEngine()
port.on('message', (request: StoreRequest) => {
  engine.begin(request)
  let replies: StoreReply[] = []
  let since = performance.now()
  for (const operation of request.operations) {
    replies.push(engine.perform(operation))
    const now = performance.now()
    if (now - since < GATHER_MS) continue
    port.postMessage(replies)
    replies = []
    since = now
  }
  if (replies.length > 0) port.postMessage(replies)
  engine.finish(request)
})

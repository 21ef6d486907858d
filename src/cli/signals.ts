/**
 * The signals the commands answer. The first that asks for an end begins one; the second does not wait for it.
 *
 * Must not know what is to be ended.
 */

/** `SIGHUP` too: the terminal is gone, and dying of it would leave a dead mount behind. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** What is done about signals. */
export interface SignalHandlers {
  /** The first signal that asks for an end. */
  end(signal: NodeJS.Signals): void
  /** Another one. Must end the process. */
  endNow(signal: NodeJS.Signals): void
  /** SIGUSR1, which is left alone without it. */
  report?(): void
}

/** Answers signals for the rest of the process's life. */
export function answerSignals(handlers: SignalHandlers): void {
  let isEnding = false
  for (const signal of ENDING) {
    process.on(signal, () => {
      // A closing terminal sends its SIGHUP beside a SIGINT: that is not someone who has lost patience.
      if (isEnding && signal === 'SIGHUP') return
      if (isEnding) return handlers.endNow(signal)
      isEnding = true
      handlers.end(signal)
    })
  }
  if (handlers.report !== undefined) process.on('SIGUSR1', () => handlers.report?.())
}

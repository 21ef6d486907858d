/**
 * `torrent completions`: what shells need to complete command lines of `torrent`.
 */

import { defineCommand, one } from '../command.js'
import { oneOf } from '../../flag-values.js'

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** Describes the command. */
export const completions = defineCommand({
  name: 'completions',
  summary: 'print completions for a shell',
  arguments: {
    shell: one('SHELL', 'bash, zsh or fish', { parse: oneOf(...SHELLS), complete: SHELLS }),
  },
  examples: [
    ['source <(torrent completions bash)', 'in ~/.bashrc'],
    ['source <(torrent completions zsh)', 'in ~/.zshrc, after compinit'],
    ['torrent completions fish > ~/.config/fish/completions/torrent.fish', 'once'],
  ],
  run: async (context, { shell }) => {
    const { completionScript } = await import('../completion-scripts.js')
    context.stdout.write(completionScript(shell, context.commands))
  },
})

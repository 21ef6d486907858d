import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { fateIn, fateOf } from '../../../../src/fs/backends/kernel/reader-fate.js'

function status(state: string, masks: Partial<Record<string, number[]>>): string {
  const line = (name: string): string => {
    const bits = (masks[name] ?? []).reduce((all, signal) => all | (1n << BigInt(signal - 1)), 0n)
    return `${name}:\t${bits.toString(16).padStart(16, '0')}`
  }
  const names = ['SigPnd', 'ShdPnd', 'SigBlk', 'SigIgn', 'SigCgt']
  return `Name:\tcat\nState:\t${state} (x)\n${names.map(line).join('\n')}\n`
}

describe('the fate of a reader', () => {
  const table = [
    ['waits', status('D', {}), 'waiting'],
    ['is a zombie', status('Z', {}), 'gone'],
    ['has a SIGKILL to come', status('D', { SigPnd: [9] }), 'gone'],
    ['has a signal to come that ends it with a core', status('D', { ShdPnd: [3] }), 'gone'],
    ['handles that signal', status('D', { ShdPnd: [3], SigCgt: [3] }), 'interrupted'],
    ['ignores that signal', status('D', { ShdPnd: [3], SigIgn: [3] }), 'waiting'],
    ['has an alarm to come that it handles', status('S', { SigPnd: [14], SigCgt: [14, 17] }), 'interrupted'],
    ['blocks the alarm', status('S', { SigPnd: [14], SigCgt: [14], SigBlk: [14] }), 'waiting'],
    ['is to be stopped', status('S', { ShdPnd: [20] }), 'waiting'],
    ['cannot be looked at', '', 'waiting'],
  ] as const
  for (const [what, text, fate] of table) {
    test(`that ${what}: ${fate}`, () => assert.equal(fateIn(text), fate))
  }

  test('is told of a living process, and of one that is no more', async () => {
    const child = spawn('sleep', ['60'])
    await once(child, 'spawn')
    assert.equal(fateOf(child.pid!), 'waiting')
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal(fateOf(child.pid!), 'gone')
    assert.equal(fateOf(0), 'waiting')
  })
})

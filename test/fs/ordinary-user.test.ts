/**
 * Mounts made by an ordinary user: the same suites as root's, run as someone else.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { relative } from 'node:path'
import { projectRoot } from '../support/project.js'
import { OrdinaryUser } from '../support/ordinary-user.js'

const SUITES = [
  'kernel',
  'kernel-engine',
  'kernel-reads',
  'kernel-stored',
  'fuse-native',
  'fuse-native-engine',
  'backends/kernel/mounting',
  'backends/kernel/syscalls',
]
const reason = OrdinaryUser.whyNot()

if (reason === undefined) {
  describe('an ordinary user', () => {
    let user: OrdinaryUser
    before(() => {
      user = new OrdinaryUser()
    })
    after(() => user?.remove())

    for (const suite of SUITES) {
      test(`passes the tests of ${suite}`, async () => {
        const file = fileURLToPath(new URL(`./${suite}.test.js`, import.meta.url))
        const args = ['--test', '--test-reporter=tap', relative(projectRoot, file)]
        const { code, stdout, stderr } = await user.node(args, 300_000)
        const text = stdout.toString()
        const failed = text.split('\n').filter(line => /^\s*not ok/.test(line))
        assert.equal(code, 0, `${failed.join('\n')}\n${stderr}`)
        assert.match(text, /^# skipped 0$/m)
        assert.match(text, /^# pass [1-9]/m)
      })
    }
  })
} else {
  test('an ordinary user', { skip: `SKIP: ${reason}` }, () => {})
}

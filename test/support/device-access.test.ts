/**
 * The device's mode, opened and given back, with a plain file in the device's place.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDevice } from './device-access.js'
import { Scope } from './scope.js'

const module = new URL('./device-access.js', import.meta.url).href
const scopeModule = new URL('./scope.js', import.meta.url).href

/** Opens the device in a process of its own, which then ends as told. */
function openElsewhere(folder: string, device: string, ending: string): void {
  const code = `const { openDevice } = await import(${JSON.stringify(module)})
    const { Scope } = await import(${JSON.stringify(scopeModule)})
    openDevice(new Scope(), ${JSON.stringify({ folder, device })})
    ${ending}`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  assert.equal(stderr, '')
}

test('the device is open until the last who needs it has gone, and as it was then', async t => {
  const all = new Scope()
  t.after(() => all.close())
  const place = all.folder()
  const [folder, device] = [join(place, 'marks'), join(place, 'device')]
  const mode = (): string => (statSync(device).mode & 0o777).toString(8)
  writeFileSync(device, '')
  chmodSync(device, 0o640)

  const mine = new Scope()
  openDevice(mine, { folder, device })
  assert.equal(mode(), '666')
  openElsewhere(folder, device, '')
  assert.equal(mode(), '666', 'another came and went')
  openElsewhere(folder, device, "process.kill(process.pid, 'SIGKILL')")
  assert.equal(mode(), '666', 'another died')
  await mine.close()
  assert.equal(mode(), '640')

  openElsewhere(folder, device, "process.kill(process.pid, 'SIGKILL')")
  assert.equal(mode(), '666', 'it died alone')
  // A number that has come again is no sign of life.
  mkdirSync(join(folder, 'holders'), { recursive: true })
  writeFileSync(join(folder, 'holders', `${process.pid}.1`), '')
  openElsewhere(folder, device, '')
  assert.equal(mode(), '640', 'the next one gave back what the dead one found')

  openElsewhere(folder, device, "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000)")
  assert.equal(mode(), '640', 'one that was told to end tidied up')
})

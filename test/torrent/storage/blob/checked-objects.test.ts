import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CheckedObjects, hashOf } from '../../../../src/torrent/storage/blob/checked-objects.js'
import { FolderObjects } from '../../../../src/torrent/storage/blob/folder-objects.js'
import type { FoundObject, ObjectStore } from '../../../../src/torrent/storage/blob/object-store.js'
import { noise, temporaryFolder } from '../fixture.js'

/** A folder that is as far away as a bucket, and counts. */
class FarFolder extends FolderObjects implements ObjectStore {
  override readonly far: boolean = true
  readonly asked: string[] = []

  override get(name: string, size: number): Promise<FoundObject | undefined> {
    this.asked.push('whole')
    return super.get(name, size)
  }

  override read(name: string, begin: number, target: Uint8Array, version: string): Promise<boolean> {
    this.asked.push(`${begin}+${target.length}`)
    return super.read(name, begin, target, version)
  }
}

describe('objects that are far away', () => {
  it('are read by parts where the reads jump, and whole where they go on', async t => {
    const store = new FarFolder(await temporaryFolder(t))
    const objects = new CheckedObjects(store, 0)
    const pieces = [noise(1000, 1), noise(1000, 2), noise(1000, 3)]
    const names = await Promise.all(pieces.map(hashOf))
    for (const [index, name] of names.entries()) await objects.put(name, pieces[index]!)
    const read = async (index: number, begin: number): Promise<void> => {
      const target = new Uint8Array(100)
      assert.ok(await objects.read(names[index]!, 1000, begin, target))
      assert.deepEqual(target, pieces[index]!.slice(begin, begin + 100))
    }
    await read(0, 500)
    await read(1, 200)
    await read(0, 0)
    assert.deepEqual(store.asked, ['500+100', '200+100', '0+100'])
    for (let begin = 100; begin < 1000; begin += 100) await read(0, begin)
    assert.deepEqual(store.asked.slice(3), ['whole'])
  })
})

/** The suite that every Completion is held to. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import type { Completion } from '../../../../src/torrent/storage/completion/completion.js'
import { atEnd, bitsOf, mixedFixture, singleFixture, temporaryFolder } from '../fixture.js'

/**
 * Registers the suite for one kind; `make` gives one on `folder`, and the same one when it is called again with it.
 *
 * @param bootId which run of the machine it is
 */
export function describeCompletion(
  kind: string,
  make: (folder: string, bootId: string) => Completion,
  o: { readonly forgetful?: boolean } = {},
): void {
  const opened = (t: TestContext, folder: string, bootId = 'one'): Completion => {
    const completion = make(folder, bootId)
    atEnd(t, () => completion.close())
    return completion
  }

  describe(`a ${kind} completion`, () => {
    it('has nothing at first, and what was set when the torrent is opened again', async t => {
      const completion = opened(t, await temporaryFolder(t))
      const { torrent } = singleFixture()
      const first = await completion.open(torrent)
      assert.equal(first.stored.length, torrent.geometry.pieceCount)
      assert.equal(first.stored.count, 0)
      assert.equal(first.sure, true)
      await Promise.all([0, 3, 9, 4].map(piece => first.set(piece, true)))
      await Promise.all([first.set(4, false), first.set(5, true), first.set(5, false), first.set(5, true)])
      await first.close()
      const second = await completion.open(torrent)
      assert.deepEqual(bitsOf(second.stored), [0, 3, 5, 9])
      assert.equal(second.sure, true)
    })

    it('lets its user go on with the bitfield without taking it back', async t => {
      const completion = opened(t, await temporaryFolder(t))
      const { torrent } = singleFixture()
      const first = await completion.open(torrent)
      first.stored.set(7)
      await first.set(1, true)
      await first.close()
      assert.deepEqual(bitsOf((await completion.open(torrent)).stored), [1])
    })

    it('keeps torrents apart, and forgets one alone', async t => {
      const completion = opened(t, await temporaryFolder(t))
      const [one, two] = [singleFixture('one'), mixedFixture('two')]
      for (const [index, { torrent }] of [one, two].entries()) {
        const kept = await completion.open(torrent)
        await kept.set(index, true)
        await kept.close()
      }
      await completion.remove(one.torrent)
      await completion.remove(one.torrent)
      assert.equal((await completion.open(one.torrent)).stored.count, 0)
      assert.deepEqual(bitsOf((await completion.open(two.torrent)).stored), [1])
    })

    if (o.forgetful === true) return

    it('has what was set although it was never closed', async t => {
      const folder = await temporaryFolder(t)
      const { torrent } = singleFixture()
      const first = await opened(t, folder).open(torrent)
      await first.set(2, true)
      const second = await opened(t, folder).open(torrent)
      assert.deepEqual(bitsOf(second.stored), [2])
      assert.equal(second.sure, true, 'the machine is still the same')
    })

    it('is sure after a restart of the machine only if all ended well before', async t => {
      const folder = await temporaryFolder(t)
      const { torrent } = singleFixture()
      const first = opened(t, folder, 'one')
      const well = await first.open(torrent)
      await well.set(2, true)
      await well.close()
      await first.close()
      const second = await opened(t, folder, 'two').open(torrent)
      assert.equal(second.sure, true)
      await second.set(3, true)
      const third = await opened(t, folder, 'three').open(torrent)
      assert.equal(third.sure, false)
      assert.deepEqual(bitsOf(third.stored), [2, 3])
    })

    it('stays unsure until each mark was looked after', async t => {
      const folder = await temporaryFolder(t)
      const { torrent } = singleFixture()
      const first = await opened(t, folder, 'one').open(torrent)
      for (const piece of [1, 2, 3]) await first.set(piece, true)
      const second = opened(t, folder, 'two')
      const unsure = await second.open(torrent)
      await unsure.set(1, true)
      await unsure.set(2, false)
      await unsure.close()
      await second.close()
      const third = opened(t, folder, 'two')
      const still = await third.open(torrent)
      assert.equal(still.sure, false)
      assert.deepEqual(bitsOf(still.stored), [1, 3])
      await still.set(1, true)
      await still.set(3, true)
      await still.close()
      await third.close()
      const fourth = await opened(t, folder, 'three').open(torrent)
      assert.equal(fourth.sure, true)
      assert.deepEqual(bitsOf(fourth.stored), [1, 3])
    })

    it('takes nothing for marks of a torrent with another number of pieces', async t => {
      const folder = await temporaryFolder(t)
      const { torrent } = singleFixture()
      const first = opened(t, folder)
      const kept = await first.open(torrent)
      await kept.set(0, true)
      await kept.close()
      const other = { ...singleFixture('other', 200_000).torrent, infohash: torrent.infohash }
      const found = await first.open(other)
      assert.equal(found.stored.length, other.geometry.pieceCount)
      assert.equal(found.stored.count, 0)
    })
  })
}

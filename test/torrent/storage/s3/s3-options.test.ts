import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseS3Url, s3Place, type S3StorageOptions } from '../../../../src/torrent/storage/s3/s3-options.js'

const keys = { accessKeyId: 'id', secretAccessKey: 'secret' }

describe('the options of a bucket', () => {
  it('are completed by what the environment says', () => {
    const env = {
      AWS_ACCESS_KEY_ID: 'env id',
      AWS_SECRET_ACCESS_KEY: 'env secret',
      AWS_SESSION_TOKEN: 'env token',
      AWS_DEFAULT_REGION: 'eu-central-1',
    }
    assert.deepEqual(s3Place({ bucket: 'films' }, env), {
      bucket: 'films',
      prefix: '',
      url: 'https://s3.eu-central-1.amazonaws.com/films',
      region: 'eu-central-1',
      accessKeyId: 'env id',
      secretAccessKey: 'env secret',
      sessionToken: 'env token',
      timeoutMs: 30_000,
    })
    const own = s3Place({ bucket: 'films', ...keys, endpoint: 'http://localhost:9000/', prefix: 'a/b/' }, env)
    assert.equal(own.url, 'http://localhost:9000/films')
    assert.equal(own.sessionToken, undefined, 'a token of other keys')
    assert.equal(
      s3Place({ bucket: 'films', ...keys }, { AWS_ENDPOINT_URL: 'http://h' }).url,
      'http://h/films',
    )
  })

  it('are refused by name', () => {
    const wrong: [Partial<S3StorageOptions>, RegExp][] = [
      [{ bucket: '../other' }, /^bucket: /],
      [{ bucket: '' }, /^bucket: /],
      [{ prefix: '/a' }, /^prefix: /],
      [{ prefix: 'a/../b' }, /^prefix: /],
      [{ prefix: 'a?b' }, /^prefix: /],
      [{ endpoint: 'ftp://host' }, /^endpoint: /],
      [{ endpoint: 'host' }, /^endpoint: /],
      [{ endpoint: 'http://user:pw@host' }, /^endpoint: /],
      [{ region: 'a b' }, /^region: /],
      [{ timeoutMs: 0 }, /^timeoutMs: /],
    ]
    for (const [options, message] of wrong) {
      assert.throws(() => s3Place({ bucket: 'films', ...keys, ...options }, {}), {
        code: 'ERR_TORRENTFS_ARGUMENT',
        message,
      })
    }
    assert.throws(() => s3Place({ bucket: 'films' }, {}), { message: /^accessKeyId: .*AWS_ACCESS_KEY_ID/ })
    assert.throws(() => s3Place({ bucket: 'films', accessKeyId: 'x' }, {}), { message: /^secretAccessKey: / })
  })

  it('can be told by a URL', () => {
    assert.deepEqual(parseS3Url('s3://films'), { bucket: 'films' })
    assert.deepEqual(parseS3Url('s3://films/a/b?endpoint=http://h:9000&region=x'), {
      bucket: 'films',
      prefix: 'a/b/',
      endpoint: 'http://h:9000',
      region: 'x',
    })
    for (const text of [
      'films',
      'http://films',
      's3://id:key@films',
      's3://films?key=x',
      's3://films:80',
      's3:films',
      's3:///films',
    ]) {
      assert.throws(() => parseS3Url(text), { code: 'ERR_TORRENTFS_ARGUMENT' }, text)
    }
  })
})

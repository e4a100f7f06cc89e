import { createLogger } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { Ingest } from '../src/ingest.ts';
import { IngestRequest } from '../src/ingest-request.ts';
import type { Source } from '../src/sources/source.ts';

test('an ingest that has failed closes a source that opens after the failure', async () => {
  const opening = Promise.withResolvers<Source>();
  const ingest = await Ingest.begin(
    {
      ...{ id: 'in_1', kind: 'rtsp', room: 'room', name: 'camera', reopensSilent: true },
      open: () => opening.promise,
    },
    {
      signalUrl: 'ws://127.0.0.1:1',
      token: () => Promise.reject(new Error('no registry')),
      giveUpMs: 0,
      log: createLogger({ service: 'test', level: 'silent' }),
    },
  );
  try {
    await waitFor('the failure', () => ingest.status.state === 'failed' || notYet(ingest.status.state));
    const closed = Promise.withResolvers<void>();
    opening.resolve({
      requestKeyFrame: () => undefined,
      stats: () => ({}),
      lastAt: 0,
      close: () => closed.resolve(),
    });
    await closed.promise;
    expect(ingest.source).toBeUndefined();
  } finally {
    ingest.close();
  }
});

test('the display name of an ingest is cleaned as that of any participant', () => {
  const request = (name: string) => IngestRequest.safeParse({ kind: 'rtsp', name, url: 'rtsp://camera/stream' });
  expect(request('Camera 🎥').data!.name).toBe('Camera 🎥');
  expect(request('Camera\u202E').data!.name).toBe('Camera');
  expect(request('\u202E').error!.issues[0]).toMatchObject({
    path: ['name'],
    message: 'a visible character is expected',
  });
});

test('a camera URL whose password is not percent-encoded is refused', () => {
  const request = (url: string) => IngestRequest.safeParse({ kind: 'rtsp', name: 'camera', url });
  expect(request('rtsp://a:b%20c@camera/stream').success).toBe(true);
  expect(request('rtsp://a%zz@camera/stream').error!.issues[0]).toMatchObject({
    path: ['url'],
    message: 'user name and password have to be percent-encoded (RFC 3986)',
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlotillaError, type Publication } from '@flotilla/contracts';
import { EdgePeer } from '@flotilla/edge-peer';
import { readManifest, Recorder } from '@flotilla/recorder';
import { createLogger } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RecordingError } from '../src/recordings/recording-error.ts';
import { RoomRecording } from '../src/recordings/room-recording.ts';

const video: Publication = {
  ...{ id: 'pub_1', participantId: 'pt_1', kind: 'video', source: 'camera', codec: 'video/VP8', muted: false },
  producerId: 'producer',
};

describe('a recording of a room', () => {
  let directory: string;
  let recording: RoomRecording;
  const publications = new Map<string, Publication>();
  const failedSubscriptions = new Map<string, FlotillaError>();

  /** A recording whose participant is in the room at once, and receives nothing. */
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'flotilla-room-recording-'));
    publications.clear();
    failedSubscriptions.clear();
    const peer = { roomId: 'rm_1', participantId: 'pt_2', nodeId: 'nd_1', publications, failedSubscriptions };
    vi.spyOn(EdgePeer, 'join').mockResolvedValue({ ...peer, close: () => undefined } as unknown as EdgePeer);
    recording = new RoomRecording({
      ...{ id: 'rec_1', roomId: 'rm_1', directory, name: 'Recording', signalUrl: 'ws://fleet.invalid' },
      token: () => Promise.resolve('token'),
      ...{ maxTracks: 10, idleMs: 60_000, giveUpMs: 60_000 },
      log: createLogger({ service: 'test', level: 'silent' }),
    });
    await waitFor('it is in the room', () => recording.status.state === 'recording' || notYet(recording.status.state));
  });
  afterEach(async () => {
    await recording.stop();
    vi.restoreAllMocks();
    rmSync(directory, { recursive: true });
  });

  test.each([
    ['DISK_FULL', 'disk full', 'failed'],
    ['GAVE_UP', 'failed', 'failed'],
    ['REFUSED', 'failed', 'failed'],
    ['NOTHING_PUBLISHED', 'complete', 'complete'],
  ] as const)('that ends by %s has the state "%s" in its manifest', async (code, inManifest, state) => {
    await recording.stop(new RecordingError(code, 'the cause'));
    const manifest = await readManifest(directory);
    expect(manifest?.state).toBe(inManifest);
    expect(manifest?.reason).toBe(state === 'failed' ? `${code}: the cause` : undefined);
    const { startedAtMs: startedAt, endedAtMs: endedAt } = manifest!;
    expect(recording.status).toMatchObject({ state, startedAt, endedAt, lastError: { code } });
  });

  test('whose files cannot be closed has failed, with the cause', async () => {
    const cause = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    vi.spyOn(Recorder.prototype, 'error', 'get').mockReturnValue(cause);
    await recording.stop();
    expect(recording.status).toMatchObject({ state: 'failed', lastError: { code: 'DISK_FULL' } });
  });

  test('lists a publication that it cannot subscribe to', async () => {
    publications.set(video.id, video);
    failedSubscriptions.set(video.id, new FlotillaError('NODE_UNAVAILABLE'));
    await waitFor('the next check', () => recording.status.leftOut.length > 0 || notYet('none'));
    expect(recording.status).toMatchObject({
      state: 'recording',
      leftOut: [{ publicationId: video.id, code: 'SUBSCRIPTION_FAILED' }],
      lastError: { code: 'SUBSCRIPTION_FAILED' },
    });
  });
});

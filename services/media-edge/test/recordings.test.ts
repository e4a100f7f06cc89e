import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { FlotillaError } from '@flotilla/contracts';
import { freePort } from '@flotilla/processes';
import { createLogger } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { folderOf } from '../src/recordings/folders.ts';
import { checkRecordingRequest } from '../src/recordings/recording-request.ts';
import { Recordings, type RecordingsOptions } from '../src/recordings/recordings.ts';

const token = { token: 'token', userId: 'recording', expiresAt: '2030-01-01T00:00:00Z' };
const id = `rec_${'0'.repeat(16)}`;

describe('the body of a request for a recording', () => {
  test.each([undefined, {}])('is accepted: %j', (body) => {
    expect(() => checkRecordingRequest(body)).not.toThrow();
  });

  test.each([{ participants: ['pt_1'] }, { directory: '/etc' }, [], 'all'])('is refused: %j', (body) => {
    expect(() => checkRecordingRequest(body)).toThrow(expect.objectContaining({ code: 'BAD_PAYLOAD' }));
  });
});

describe('the folder of a recording', () => {
  test('is directly in the folder of all recordings', () => {
    expect(folderOf('/srv/recordings', id)).toBe(`/srv/recordings/${id}`);
  });

  test.each(['', '.', '..', '../x', '/etc', `../${id}`, `${id}/..`, `${id}\0`, `${id}\n`, id.toUpperCase()])(
    'is refused for %j, which is no id',
    (text) => {
      expect(() => folderOf('/srv/recordings', text)).toThrow('not the id of a recording');
    },
  );

  test('is never elsewhere, whatever the text', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^rec_[0-9a-z./\\]{10,20}$/));
    fc.assert(
      fc.property(text, (given) => {
        let folder: string;
        try {
          folder = folderOf('/srv/recordings', given);
        } catch {
          return;
        }
        expect(dirname(folder)).toBe('/srv/recordings');
      }),
    );
  });
});

describe('the recordings of an edge', () => {
  let parent: string;
  const opened: Recordings[] = [];
  beforeEach(() => void (parent = mkdtempSync(join(tmpdir(), 'flotilla-recordings-'))));
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((recordings) => recordings.close()));
    rmSync(parent, { recursive: true });
  });

  /** Recordings whose registry issues tokens, and whose gateway cannot be reached. */
  async function open(options: Partial<RecordingsOptions> = {}): Promise<Recordings> {
    const recordings = new Recordings({
      directory: join(parent, 'recordings'),
      signalUrl: `http://127.0.0.1:${await freePort()}`,
      registry: { url: 'http://registry.test', fetch: () => Promise.resolve(Response.json(token, { status: 201 })) },
      ...{ maxRecordings: 2, maxTracks: 10, minFreeBytes: 0, idleMs: 60_000, giveUpMs: 60_000 },
      log: createLogger({ service: 'test', level: 'silent' }),
      ...options,
    });
    opened.push(recordings);
    return recordings;
  }

  test('without a folder, each request names the setting', async () => {
    const recordings = await open({ directory: undefined });
    const expected = expect.objectContaining({
      code: 'NOT_FOUND',
      message: expect.stringContaining('FLOTILLA_EDGE_RECORDINGS_DIR'),
    });
    await expect(recordings.start('lobby')).rejects.toEqual(expected);
    await expect(recordings.stop('lobby', id)).rejects.toEqual(expected);
    expect(() => recordings.list('lobby')).toThrow(expected);
    expect(() => recordings.get('lobby', id)).toThrow(expected);
  });

  test('a room is recorded once at a time, and no more rooms than the maximum', async () => {
    const recordings = await open();
    const [first, second] = await Promise.allSettled([recordings.start('lobby'), recordings.start('lobby')]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ reason: { code: 'WRONG_STATE' } });
    await recordings.start('hall');
    await expect(recordings.start('yard')).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: expect.stringContaining('FLOTILLA_EDGE_RECORDINGS'),
    });
    const started = recordings.list('lobby');
    expect(started).toHaveLength(1);
    await recordings.stop('lobby', started[0]!.id);
    await recordings.start('yard');
  });

  const roomId = `rm_${'0'.repeat(16)}`;
  test.each([
    ['lobby', roomId],
    [roomId, 'lobby'],
  ])('a room is recorded once under its name and its id: token for %s before that for %s', async (...order) => {
    const gates = new Map(order.map((ref) => [ref, Promise.withResolvers<void>()]));
    const fetch = async ({ pathname }: URL): Promise<Response> => {
      await gates.get(pathname.split('/')[3]!)!.promise;
      return Response.json({ ...token, roomId }, { status: 201 });
    };
    const recordings = await open({ registry: { url: 'http://registry.test', fetch } });
    const started = Promise.allSettled([recordings.start('lobby'), recordings.start(roomId)]);
    for (const ref of order) {
      gates.get(ref)!.resolve();
      await setImmediate();
    }
    const codes = (await started).map((each) =>
      each.status === 'fulfilled' ? 'started' : (each.reason as FlotillaError).code,
    );
    expect(codes.toSorted()).toEqual(['WRONG_STATE', 'started']);
    expect(order.flatMap((ref) => recordings.list(ref)).length).toBeGreaterThan(0);
    for (const ref of order) await expect(recordings.start(ref)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  test('a gateway that cannot be reached is reported, and a stop ends the attempts', async () => {
    const recordings = await open();
    const { id: started, state } = await recordings.start('lobby');
    expect(state).toBe('connecting');
    await waitFor('the first attempt has failed', () => {
      const { lastError } = recordings.get('lobby', started);
      expect(lastError ?? notYet('no error')).toMatchObject({ code: 'FLEET_UNAVAILABLE' });
    });
    expect(recordings.get('lobby', started)).toMatchObject({ state: 'retrying' });
    expect(await recordings.stop('lobby', started)).toMatchObject({ state: 'complete', tracks: [], bytes: 0 });
    expect(await recordings.stop('lobby', started)).toMatchObject({ state: 'complete' });
  });

  test('one that the registry refuses to issue further tokens for has failed, and leaves no folder', async () => {
    let issued = 0;
    const recordings = await open({
      registry: {
        url: 'http://registry.test',
        fetch: () =>
          Promise.resolve(
            issued++ === 0
              ? Response.json(token, { status: 201 })
              : Response.json({ error: { code: 'FORBIDDEN', message: 'unknown API key' } }, { status: 403 }),
          ),
      },
    });
    const { id: started } = await recordings.start('lobby');
    await waitFor('it has failed', () => {
      const { state, lastError } = recordings.get('lobby', started);
      if (state !== 'failed') notYet(state);
      expect(lastError).toMatchObject({ code: 'REFUSED', message: 'FORBIDDEN: unknown API key' });
    });
    expect(readdirSync(join(parent, 'recordings'))).toEqual([]);
  });

  test('an edge that stops refuses a recording that is being started, and leaves no folder', async () => {
    const answer = Promise.withResolvers<Response>();
    const recordings = await open({ registry: { url: 'http://registry.test', fetch: () => answer.promise } });
    const starting = recordings.start('lobby');
    await recordings.close();
    answer.resolve(Response.json(token, { status: 201 }));
    await expect(starting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(readdirSync(join(parent, 'recordings'))).toEqual([]);
  });

  test('a recording that does not get into its room fails in the end', async () => {
    const recordings = await open({ giveUpMs: 0 });
    const { id: started } = await recordings.start('lobby');
    await waitFor('it has failed', () => {
      const { state, lastError } = recordings.get('lobby', started);
      if (state !== 'failed') notYet(state);
      expect(lastError).toMatchObject({ code: 'GAVE_UP' });
    });
  });

  test('without enough free space none begins', async () => {
    const recordings = await open({ minFreeBytes: Number.MAX_SAFE_INTEGER });
    await expect(recordings.start('lobby')).rejects.toMatchObject({
      code: 'NO_CAPACITY',
      message: expect.stringContaining('FLOTILLA_EDGE_RECORDINGS_MIN_FREE_BYTES'),
    });
    expect(readdirSync(join(parent, 'recordings'))).toEqual([]);
  });

  test('a folder that cannot be written is named', async () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    const recordings = await open({ directory: join(file, 'recordings') });
    await expect(recordings.start('lobby')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(join(file, 'recordings')),
    });
  });

  test('only the room of a recording has it, and no other text is its id', async () => {
    const recordings = await open();
    const { id: started } = await recordings.start('lobby');
    for (const [room, text] of [
      ['hall', started],
      ['lobby', id],
      ['lobby', '..'],
      ['lobby', `../recordings/${started}`],
    ] as const) {
      expect(() => recordings.get(room, text)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
      await expect(recordings.stop(room, text)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(existsSync(join(parent, 'recordings', started))).toBe(true);
  });
});

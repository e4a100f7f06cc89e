import { endTransports } from '@flotilla/light-peer';
import { type Fleet, startFleet } from '@flotilla/local-fleet';
import { RestApi } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runLoad } from '../src/load.ts';

describe('a load of 12 users and a burst of 6 on a fleet', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startFleet({ sfuNodes: 1, gateways: 1, port: 0, env: { FLOTILLA_NAMESPACE: 'small-load' } });
  });
  afterAll(async () => {
    endTransports();
    await fleet.stop();
  });

  test('lets all in and out, delivers messages, and has no failed step', async () => {
    const api = new RestApi(fleet.registryUrl, fleet.apiKey);
    const shape = { users: 12, rampSeconds: 1, plateauSeconds: 6, burst: 6, staySeconds: 86_400 };
    const load = { ...shape, roomSize: 6, media: 2, messagesPerMinute: 60 };
    const { recorder, came, turnedAway } = await runLoad(
      { api, gatewayUrls: fleet.gatewayUrls },
      load,
      () => undefined,
    );
    expect(recorder.failures).toEqual([]);
    expect({ came, turnedAway }).toEqual({ came: 18, turnedAway: 0 });
    const counts = Object.fromEntries(recorder.summary.map(({ step, count }) => [step, count]));
    expect(counts).toMatchObject({ token: came, entry: came, leave: came - load.media, media: 2 });
    expect(counts['dispatch']).toBeGreaterThan(0);
  });
});

import { memoryFleet } from '@flotilla/store';
import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connections, log, newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

describe('a connection breaks', () => {
  const fleet = memoryFleet(log);
  const detach = vi.spyOn(fleet.store.sessions, 'detach');
  let gateway: RunningGateway;

  beforeEach(async () => {
    detach.mockClear();
    gateway = await startGateway({ fleet, settings: { FLOTILLA_DRAIN_SECONDS: '0' } });
  });
  afterEach(() => gateway?.stop());

  const connect = async () => {
    const client = await RawClient.connect(gateway.url, { token: await newToken() });
    return { client, ...(await client.welcome()) };
  };
  const detached = () => detach.mock.calls.map(([sessionId]) => sessionId);

  test('who is back at once was never written down as away, who stays away is', async () => {
    const [back, away] = await Promise.all([connect(), connect()]);
    back.client.socket.terminate();
    away.client.socket.terminate();
    const again = await RawClient.resume(gateway.url, back.resumeToken);
    expect(await again.welcome()).toMatchObject({ sessionId: back.sessionId, resumed: true });
    await waitFor('the other is written down', () => detached().includes(away.sessionId) || notYet('nobody is'));
    expect(detached()).toEqual([away.sessionId]);
  });

  test('a gateway that stops writes down who is away before it ends', async () => {
    const { client, sessionId } = await connect();
    client.socket.terminate();
    await waitFor('the gateway has noticed', async () => {
      const count = await connections(gateway.server);
      if (count > 0) notYet(`${count} connections are open`);
    });
    await gateway.stop();
    expect(detached()).toEqual([sessionId]);
  });
});

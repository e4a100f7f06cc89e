import { memoryBackplane } from '@flotilla/backplane';
import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connections, log, newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

describe('detach grace', () => {
  const backplane = memoryBackplane(log);
  const detach = vi.spyOn(backplane.store.sessions, 'detach');
  let gateway: RunningGateway;

  beforeEach(async () => {
    detach.mockClear();
    gateway = await startGateway({ backplane, settings: { FLOTILLA_DRAIN_SECONDS: '0' } });
  });
  afterEach(() => gateway?.stop());

  const connect = async () => {
    const client = await RawClient.connect(gateway.url, { token: await newToken() });
    return { client, ...(await client.welcome()) };
  };
  const detached = () => detach.mock.calls.map(([sessionId]) => sessionId);

  test('a session that resumes within the grace period is not persisted as detached, one that does not resume is', async () => {
    const [resuming, lost] = await Promise.all([connect(), connect()]);
    resuming.client.socket.terminate();
    lost.client.socket.terminate();
    const resumed = await RawClient.resume(gateway.url, resuming.resumeToken);
    expect(await resumed.welcome()).toMatchObject({ sessionId: resuming.sessionId, resumed: true });
    await waitFor('the lost session is detached', () => detached().includes(lost.sessionId) || notYet('no session is'));
    expect(detached()).toEqual([lost.sessionId]);
  });

  test('a gateway that stops persists pending detaches first', async () => {
    const { client, sessionId } = await connect();
    client.socket.terminate();
    await waitFor('the gateway sees the disconnect', async () => {
      const count = await connections(gateway.server);
      if (count > 0) notYet(`${count} connections are open`);
    });
    await gateway.stop();
    expect(detached()).toEqual([sessionId]);
  });

  test('a session that is admitted while its gateway stops is closed with SERVICE_RESTART or persisted as detached', async () => {
    const gate = Promise.withResolvers<void>();
    const open = backplane.store.sessions.open.bind(backplane.store.sessions);
    const opening = vi.spyOn(backplane.store.sessions, 'open').mockImplementationOnce(async (...session) => {
      await gate.promise;
      return open(...session);
    });
    const client = RawClient.connect(gateway.url, { token: await newToken() }).catch(() => undefined);
    await waitFor('the session is being opened', () => opening.mock.calls.length > 0 || notYet('it is not'));
    const stopped = gateway.stop();
    gate.resolve();
    await Promise.all([client, stopped]);
    expect(detached()).toEqual([opening.mock.calls.at(-1)![0].id]);
  });
});

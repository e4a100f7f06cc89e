import { RawClient } from '@flotilla/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

let gateway: RunningGateway;
beforeEach(async () => {
  gateway = await startGateway({ settings: { FLOTILLA_ALLOW_PLAIN: 'true' } });
});
afterEach(() => gateway.stop());

test.each(['is sent', 'is answered'])(
  'a token whose refresh %s while the connection is replaced refreshes the session over the next connection',
  async (when) => {
    const first = await RawClient.connect(gateway.url, { token: await newToken() });
    const { resumeToken } = await first.welcome();
    const token = await newToken();
    const refresh = first.request('refresh_token', { token });
    if (when === 'is answered') expect(await refresh).toMatchObject({ ok: true });
    else refresh.catch(() => undefined);
    const second = await RawClient.resume(gateway.url, resumeToken);
    await second.welcome();
    expect(await second.request('refresh_token', { token })).toMatchObject({ ok: true });
    const other = await RawClient.connect(gateway.url, { token: await newToken() });
    expect(await other.request('refresh_token', { token })).toMatchObject({ error: { code: 'TOKEN_REPLAYED' } });
    for (const client of [second, other]) client.close();
  },
);

import { userAddress } from '@flotilla/contracts';
import { metricsRegistry } from '@flotilla/runtime';
import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

let gateway: RunningGateway | undefined;
const clients: RawClient[] = [];
let busy: NodeJS.Timeout | undefined;

afterEach(async () => {
  clearInterval(busy);
  for (const client of clients.splice(0)) client.close();
  await gateway?.stop();
});

async function connect(userId: string, localAddress?: string): Promise<RawClient> {
  const token = await newToken(userId);
  const client = await RawClient.connect(gateway!.url, { token, ...(localAddress !== undefined && { localAddress }) });
  clients.push(client);
  return client;
}

const refused = (code: string) => expect.objectContaining({ ok: false, error: expect.objectContaining({ code }) });
const done = expect.objectContaining({ ok: true });

describe('gateway under load', () => {
  test('sessions of one address share its message limit, those of other addresses are not affected, and no connection is closed', async () => {
    gateway = await startGateway({ settings: { FLOTILLA_MESSAGES_PER_SECOND_PER_ADDRESS: '1' } });
    const [one, other, elsewhere] = [await connect('ada'), await connect('bob'), await connect('cleo', '127.0.0.2')];
    const first = [await one.request('ping'), await other.request('ping'), await one.request('ping')];
    expect(first).toEqual([done, done, done]);
    const answers = await Promise.all([1, 2, 3, 4].map((count) => (count % 2 ? one : other).request('ping')));
    expect(answers).toContainEqual(refused('RATE_LIMITED'));
    expect(await elsewhere.request('ping')).toEqual(done);
    await waitFor('the address is below its limit again', async () => {
      if (!(await other.request('ping')).ok) notYet('it is refused');
    });
  });

  test(
    'an overloaded gateway refuses new sessions and joins first, then resumes and messages outside rooms, and recovers',
    { timeout: 60_000 },
    async () => {
      const delayMs = 150;
      gateway = await startGateway({ settings: { FLOTILLA_OVERLOAD_DELAY_MS: String(delayMs) } });
      const keepBusy = (ms: number): void => {
        clearInterval(busy);
        busy = setInterval(() => {
          const until = performance.now() + ms;
          while (performance.now() < until);
        }, 1);
      };
      const levelIs = (level: number): Promise<void> =>
        waitFor(
          `the overload level is ${level}`,
          async () => {
            const { values } = await metricsRegistry.getSingleMetric('signaling_overload_level')!.get();
            if (values[0]?.value !== level) notYet(`it is ${values[0]?.value}`);
          },
          { timeoutMs: 30_000 },
        );
      const ada = await connect('ada');
      const bob = await connect('bob');
      const message = () => ada.request('message', { data: 1 }, userAddress('bob'));
      const join = () => ada.request('join', { room: 'rm_a' });
      const { resumeToken } = await bob.welcome();
      expect(await message()).toEqual(done);

      keepBusy(1.5 * delayMs);
      await levelIs(1);
      await expect(connect('cleo')).rejects.toMatchObject({ code: 'OVERLOADED', status: 503 });
      expect(await join()).toEqual(refused('OVERLOADED'));
      expect(await message()).toEqual(done);
      bob.socket.terminate();
      const back = await RawClient.resume(gateway.url, resumeToken);
      clients.push(back);
      const again = await back.welcome();

      keepBusy(6 * delayMs);
      await levelIs(2);
      expect(await message()).toEqual(refused('OVERLOADED'));
      expect(await ada.request('ping')).toEqual(done);
      back.socket.terminate();
      await expect(RawClient.resume(gateway.url, again.resumeToken)).rejects.toMatchObject({ code: 'OVERLOADED' });

      clearInterval(busy);
      await levelIs(0);
      clients.push(await RawClient.resume(gateway.url, again.resumeToken));
      expect(await message()).toEqual(done);
      await connect('dora');
    },
  );
});

import { fileURLToPath } from 'node:url';
import { Child, freePort, startKeyOf } from '@flotilla/processes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url));

describe('flotilla check-call', () => {
  let fleet: Child;
  let url: string;
  let key: string;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    fleet = new Child('standalone', process.execPath, [entry, 'standalone'], {
      env: {
        PATH: process.env['PATH'],
        MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
        FLOTILLA_PORT: String(port),
        FLOTILLA_SFU_LISTEN_IPS: '127.0.0.1',
        FLOTILLA_RELAY_LISTEN_IPS: '127.0.0.1',
      },
    });
    await fleet.line(/Flotilla is ready/);
    key = await startKeyOf(fleet);
  });
  afterAll(() => fleet?.stop());

  const check = async (settings: Readonly<Record<string, string>>) => {
    const child = new Child('check-call', process.execPath, [entry, 'check-call'], {
      env: { PATH: process.env['PATH'], ...settings },
    });
    return { code: await child.exited, lines: child.lines };
  };

  test('makes a call through a fleet, and ends with 0', async () => {
    const { code, lines } = await check({
      FLOTILLA_SIGNAL_URL: url,
      FLOTILLA_REGISTRY_URL: url,
      FLOTILLA_API_KEY: key,
    });
    expect(lines).toEqual([expect.stringMatching(/^two participants received audio and video of each other/)]);
    expect(code).toBe(0);
  });

  test('says in one line which part cannot be reached, and ends with 1', async () => {
    const { code, lines } = await check({
      FLOTILLA_SIGNAL_URL: `http://127.0.0.1:${await freePort()}`,
      FLOTILLA_REGISTRY_URL: url,
      FLOTILLA_API_KEY: key,
    });
    expect(lines).toEqual([expect.stringMatching(/^no participant can join through http.*ECONNREFUSED/)]);
    expect(code).toBe(1);
  });

  test('names the REST API when it cannot be reached, and ends with 1', async () => {
    const registryUrl = `http://127.0.0.1:${await freePort()}`;
    const settings = { FLOTILLA_SIGNAL_URL: url, FLOTILLA_REGISTRY_URL: registryUrl, FLOTILLA_API_KEY: 'any' };
    const { code, lines } = await check(settings);
    const host = new URL(registryUrl).host.replaceAll('.', '\\.');
    expect(lines).toEqual([
      expect.stringMatching(`^no token from the REST API at .+: ${host} cannot be reached: .*ECONNREFUSED`),
    ]);
    expect(code).toBe(1);
  });

  test('names the settings that are missing, and ends with 78', async () => {
    const { code, lines } = await check({ FLOTILLA_SIGNAL_URL: url, FLOTILLA_REGISTRY_URL: url });
    expect(lines.join('\n')).toContain('FLOTILLA_API_KEY is required');
    expect(code).toBe(78);
  });
});

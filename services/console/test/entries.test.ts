import 'reflect-metadata';
import { clientAddress, createLogger, nestLogger } from '@flotilla/runtime';
import { NestFactory } from '@nestjs/core';
import { expect, onTestFinished, test } from 'vitest';
import { ConsoleModule } from '../src/console.module.ts';
import { objectiveReader } from '../src/operations/objective-figures.ts';
import { RegistryClient } from '../src/registry-client.ts';

const log = createLogger({ service: 'test', level: 'silent' });

/** An open console behind a proxy, whose registry has each room and issues tokens. */
async function serve() {
  let requests = 0;
  const bodies: unknown[] = [];
  const registry = new RegistryClient({
    url: () => 'http://registry.test',
    apiKey: () => 'key',
    fetch: async (url, init) => {
      requests++;
      bodies.push(JSON.parse(init?.body as string));
      if (new URL(String(url)).pathname === '/v1/rooms')
        return Response.json({ error: { code: 'ROOM_EXISTS', message: 'it exists' } }, { status: 409 });
      return Response.json({ token: 'token', userId: 'guest', expiresAt: '2030-01-01T00:00:00Z' }, { status: 201 });
    },
  });
  const objectives = objectiveReader({ FLOTILLA_PROMETHEUS_URL: undefined, FLOTILLA_PROMETHEUS_MATCHERS: '' }, log);
  const app = await NestFactory.create(
    ConsoleModule.register({
      signalUrl: undefined,
      registry,
      open: true,
      addressOf: clientAddress(['127.0.0.1']),
      objectives,
    }),
    { logger: nestLogger(log) },
  );
  onTestFinished(() => app.close());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const enter = (client: string, name = 'Ada'): Promise<Response> =>
    fetch(`${url}/console/entry`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': client },
      body: JSON.stringify({ room: 'lobby', name }),
    });
  return { enter, requests: () => requests, bodies };
}

test('entries of an address above its rate get 429 with Retry-After, and another address enters', async () => {
  const { enter, requests } = await serve();
  const answers = await Promise.all(Array.from({ length: 200 }, () => enter('2001:db8::1')));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(answers.length - refused.length).toBeGreaterThanOrEqual(50);
  expect(await refused[0]!.json()).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
  // Only those that entered cost requests with the console's key: a room and a token.
  expect(requests()).toBe(2 * (answers.length - refused.length));
  const other = await enter('2001:db8:0:1::1');
  expect({ status: other.status, body: await other.json() }).toMatchObject({ body: { token: 'token' } });
});

test('an entry asks for a token with the name as others see it, and is refused without a visible character', async () => {
  const { enter, bodies } = await serve();
  expect((await enter('192.0.2.1', '\u200FAda\u200B ')).status).toBe(201);
  expect(bodies.at(-1)).toMatchObject({ name: 'Ada' });
  const refused = await enter('192.0.2.1', '\u2800');
  expect(await refused.json()).toMatchObject({ error: { code: 'BAD_PAYLOAD' } });
});

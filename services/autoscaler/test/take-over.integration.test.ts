import { fileURLToPath } from 'node:url';
import { Child } from '@flotilla/processes';
import { testBrokers, uniqueName } from '@flotilla/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const leads = /"term":(\d+),"msg":"leadership acquired"/;

let instances: Child[];

/** Two autoscalers over real brokers, of which the first is the leader. */
beforeEach(async () => {
  const { redisUrl, amqpUrl } = testBrokers();
  const env = {
    REDIS_URL: redisUrl,
    AMQP_URL: amqpUrl,
    FLOTILLA_NAMESPACE: uniqueName('t'),
    FLOTILLA_ADMIN_HOST: '127.0.0.1',
    FLOTILLA_ADMIN_PORT: '0',
  };
  instances = [];
  for (const name of ['autoscaler-1', 'autoscaler-2']) {
    const child = new Child(name, process.execPath, [main], { env });
    instances.push(child);
    await child.line(/"msg":"started"/);
    if (instances.length === 1) await child.line(leads);
  }
});
afterEach(async () => {
  await Promise.all(
    instances.map((child) => {
      child.signal('SIGCONT');
      return child.stop();
    }),
  );
});

test('after kill -9 of the leader the other autoscaler leads', async () => {
  const [leader, other] = instances as [Child, Child];
  const killedAt = performance.now();
  leader.signal('SIGKILL');
  expect((await other.line(leads))[1]).toBe('2');
  console.log(`took over ${Math.round(performance.now() - killedAt)} ms after kill -9`);
});

test('a leader that was stopped for longer than its lease is not the leader when it resumes', async () => {
  const [leader, other] = instances as [Child, Child];
  leader.signal('SIGSTOP');
  await other.line(leads);
  leader.signal('SIGCONT');
  await leader.line(/"msg":"leadership lost"/);
});

test('after a graceful stop of the leader the other autoscaler leads at once', async () => {
  const [leader, other] = instances as [Child, Child];
  const askedAt = performance.now();
  expect(await leader.stop()).toBe(0);
  await other.line(leads);
  console.log(`took over ${Math.round(performance.now() - askedAt)} ms after SIGTERM`);
});

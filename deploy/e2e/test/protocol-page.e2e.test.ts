import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { notYet, type Topology, waitFor } from '@flotilla/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { recordTranscript, shapeOf, transcriptPath } from '../src/index.ts';
import { useStandalone } from './use-topology.ts';

let topology: Topology;
useStandalone((it) => (topology = it));

test('the transcript in docs/protocol.md is current: the same messages with the same fields', async () => {
  const said = await recordTranscript(topology);
  expect(shapeOf(said), 'the protocol has changed: npm run record, then npm run generate').toEqual(
    shapeOf(JSON.parse(readFileSync(transcriptPath, 'utf8'))),
  );
});

test('examples/token-backend.mjs issues a join token for a room that does not exist, and again for the same room', () => {
  const script = fileURLToPath(new URL('../../../examples/token-backend.mjs', import.meta.url));
  const run = (): string =>
    execFileSync(process.execPath, [script, 'own-page', 'Ada'], {
      env: { FLOTILLA_URL: topology.pageUrl, FLOTILLA_API_KEY: topology.api.apiKey },
      encoding: 'utf8',
    });
  for (const token of [run(), run()]) expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
});

test('examples/plain-client.mjs joins, lists participants, chats and leaves', async () => {
  const script = fileURLToPath(new URL('../../../examples/plain-client.mjs', import.meta.url));
  const start = (name: string): ChildProcess & { said?: string } => {
    const client: ChildProcess & { said?: string } = spawn(
      process.execPath,
      [script, 'plain', name, topology.pageUrl],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    onTestFinished(() => void client.kill());
    client.stdout!.setEncoding('utf8').on('data', (chunk: string) => (client.said = (client.said ?? '') + chunk));
    return client;
  };
  const says = (client: { said?: string }, words: string): Promise<unknown> =>
    waitFor(words, () => client.said?.includes(words) || notYet(`it said: ${client.said}`));

  const ada = start('Ada');
  await says(ada, 'In plain: Ada.');
  const bob = start('Bob');
  await says(bob, 'In plain: Ada, Bob.');
  await says(ada, '* Bob joined');
  ada.stdin!.write('Good morning\n');
  await says(bob, 'Ada: Good morning');
  const ended = new Promise((resolve) => bob.once('exit', resolve));
  bob.stdin!.end();
  expect(await ended).toBe(0);
  await says(ada, '* Bob left (left)');
});

import { fileURLToPath } from 'node:url';
import { Child } from '@flotilla/processes';
import { notYet, type Topology, uniqueName, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { type Check, checkClient } from '../src/index.ts';
import { topologies } from './use-topology.ts';

const bot = fileURLToPath(new URL('../../../examples/python-bot/bot.py', import.meta.url));
const python = process.env['BOT_PYTHON']!;

interface BotLine {
  readonly event: string;
  readonly nodeId?: string;
  readonly publicationIds?: readonly string[];
  readonly frames?: Readonly<Record<string, number>>;
}

const parse = (line: string): BotLine => (line.startsWith('{') ? (JSON.parse(line) as BotLine) : { event: 'other' });

describe.each(topologies)('the Python bot of the examples, on the %s topology', (_name, use) => {
  let topology!: Topology;
  use((started) => (topology = started));
  let partner: Child | undefined;
  afterEach(() => partner?.stop());

  test('joins, publishes, receives, is migrated twice and leaves', async () => {
    const room = uniqueName('bot');
    await topology.api.createRoom({ name: room });
    const token = await topology.api.issueToken(room, { name: 'Partner' });
    const url = topology.signalUrls.at(-1)!;
    partner = new Child('partner', python, [bot, '--server', url, '--room', room, '--token', token]);
    const [published] = await partner.line(/"event": "published".*/);
    const { publicationIds } = JSON.parse(`{${published}`) as BotLine;

    const lines: BotLine[] = [];
    const checks: Check[] = [];
    const onLine = (line: string): number => lines.push(parse(line));
    for await (const check of checkClient(topology, { command: python, args: [bot], room, onLine })) {
      checks.push(check);
      if (check.problem !== undefined || check.name.startsWith('leaves')) continue;
      // Both publications of the partner are decoded, on the node that the bot is on now.
      const since = lines.length;
      await waitFor('decoded frames of audio and video', () => {
        const [first, ...later] = lines.slice(since).filter(({ event }) => event === 'frames');
        const last = later.at(-1)?.frames ?? {};
        const grows = (id: string): boolean => (last[id] ?? 0) > (first?.frames?.[id] ?? 0);
        return publicationIds!.every(grows) || notYet(JSON.stringify(last));
      });
    }
    expect(checks).toEqual(
      ['joins', 'publishes', 'is moved', 'is moved back', 'leaves at SIGTERM'].map((name) => ({ name })),
    );
    const nodes = lines.flatMap(({ event, nodeId }) => (event === 'frames' && nodeId ? [nodeId] : []));
    expect(new Set(nodes).size).toBe(2);
    expect(lines.filter(({ event }) => event === 'error')).toEqual([]);
  });
});

import { MemoryEventLog, nodeStream } from '@flotilla/bus';
import { notYet, waitFor } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { subscribeToStats } from '../src/inbound/stats.ts';

test('the subscription to node reports skips entries that are not JSON and those that are no report', async () => {
  const events = new MemoryEventLog();
  const received: string[] = [];
  await subscribeToStats(events, (reports) => received.push(...reports.map(({ id }) => id)));
  const report = { id: 'nd_a', capacity: 10, load: { cpu: 0.5 } };
  for (const data of ['{', '7', JSON.stringify(report)]) await events.append(nodeStream, data);
  await waitFor('the report', () => received.length > 0 || notYet('none was delivered'));
  expect(received).toEqual(['nd_a']);
});

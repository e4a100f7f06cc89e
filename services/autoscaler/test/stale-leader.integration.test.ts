import type { CommandBus } from '@flotilla/bus';
import { type CommandPayload, FlotillaError, newId, participantIdOf } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { plannerLease, RedisStore } from '@flotilla/store';
import { joinAs, newcomer, nodeReport, notYet, roomRecord, testBrokers, uniqueName, waitFor } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { Leadership } from '../src/leadership.ts';
import { MigrationDispatcher } from '../src/migration-dispatcher.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const timing = { leaseMs: 1000, renewEveryMs: 250, acquireEveryMs: 50 };

test('an order that a leader was about to send when it was stopped is refused once another leads', async () => {
  const store = await RedisStore.connect({ url: testBrokers().redisUrl, namespace: uniqueName('t'), log });
  const [stopped, next] = [0, 1].map(() => new Leadership(store.leases, plannerLease, log, undefined, timing)) as [
    Leadership,
    Leadership,
  ];
  try {
    for (const id of ['nd_a', 'nd_b']) await store.nodes.report(nodeReport(id));
    await store.rooms.create(roomRecord('a'));
    const { member } = await joinAs(store, newcomer('rm_a'));
    const { roomId, sessionId, nodeId: fromNode } = member;
    const refusals: string[] = [];
    /** Carries an order out as the registry does. */
    const carryOut = async ({ toNode, term }: CommandPayload<'registry.migrate'>): Promise<void> => {
      const times = { startedAt: Date.now(), deadline: Date.now() + 10_000 };
      const participantId = participantIdOf(sessionId);
      const order = {
        id: newId('migration'),
        roomId,
        sessionId,
        participantId,
        toNode,
        reason: 'drain' as const,
        term,
      };
      await store.migrations.begin({ ...order, ...times }).catch((error: unknown) => {
        refusals.push(FlotillaError.from(error).code);
        throw error;
      });
    };
    const dispatcherOf = (leadership: Leadership, beforeSending: () => Promise<void>) =>
      new MigrationDispatcher({
        bus: {
          call: async (_queue: string, _type: string, payload: CommandPayload<'registry.migrate'>) => {
            await beforeSending();
            await carryOut(payload);
          },
          mayRetry: () => true,
        } as unknown as Pick<CommandBus, 'call' | 'mayRetry'>,
        mayAct: () => leadership.leads,
        onRemoved: () => undefined,
        log,
      });
    const toNode = fromNode === 'nd_a' ? 'nd_b' : 'nd_a';
    const planned = { roomId, sessionId, fromNode, toNode, reason: 'drain' } as const;

    await stopped.keep();
    // Renews nothing from here on: the process stands still between its last check and the send.
    const late = dispatcherOf(stopped, () =>
      waitFor('the other leads', async () => {
        await next.keep();
        if (!next.leads) notYet('the lease is held');
      }),
    );
    late.dispatch([planned], stopped.term!);
    await waitFor('the late order is answered', () => (late.moving.length > 0 ? notYet('it is sent') : undefined), {
      timeoutMs: 10_000,
    });
    expect(refusals).toEqual(['STALE_TERM']);
    expect(await store.migrations.running(10)).toEqual([]);

    const present = dispatcherOf(next, () => Promise.resolve());
    present.dispatch([planned], next.term!);
    await present.stop();
    await waitFor('the present leader has moved the peer', async () => {
      if ((await store.migrations.running(10)).length === 0) notYet('no migration runs');
    });
  } finally {
    await next.stop();
    await store.close();
  }
});

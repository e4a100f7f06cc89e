import { setTimeout as pause } from 'node:timers/promises';
import { adminUrlOf } from '@flotilla/processes';
import { notYet, RawClient, waitFor } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { callBehindBalancer } from './call-behind-balancer.ts';
import { allReceived, ResumingClient } from './resuming-client.ts';
import { useBrowser, useFaultFleet } from './use-topology.ts';

describe('a gateway stops at SIGTERM', () => {
  let fleet: TestFleet;
  let browser: Browser;
  useFaultFleet((it) => (fleet = it));
  useBrowser((it) => (browser = it));

  test('its sessions move to another gateway over the drain period, not all at once, and miss no message', async () => {
    const { api } = fleet;
    const [leaving, staying] = fleet.gatewayUrls as [string, string];
    await api.createRoom({ name: 'all', maxParticipants: 300 });
    const movedAt: number[] = [];
    const members = Array.from(
      { length: 200 },
      (_, index) =>
        new ResumingClient(() => {
          movedAt.push(performance.now());
          return staying;
        }, `member-${index}`),
    );
    for (let from = 0; from < members.length; from += 20)
      await Promise.all(members.slice(from, from + 20).map((member) => member.join(api, 'all', leaving)));
    const speaker = new ResumingClient(() => staying, 'speaker');
    onTestFinished(() => {
      for (const member of [...members, speaker]) member.leave();
    });
    await speaker.join(api, 'all', staying);

    const gateway = fleet.processes.get('gateway-1')!;
    const sent: number[] = [];
    let refused = false;
    const stopping = gateway.stop('SIGTERM', 20_000);
    for (let number = 1; !gateway.ended || number < 50; number++) {
      expect(await speaker.send(number)).toMatchObject({ ok: true });
      sent.push(number);
      // 50 messages per second: below the limit of a session.
      await pause(20);
      if (number === 5) {
        // Not ready at once, but load balancers take a while to notice.
        const ready = await fetch(`${await adminUrlOf(gateway)}/readyz`);
        expect(await ready.json()).toEqual({ ok: false, problems: { shutdown: 'stopping' } });
        (await RawClient.connect(leaving, { token: await api.issueToken('all') })).socket.terminate();
        expect(movedAt).toEqual([]);
      }
      if (movedAt.length > 0 && !refused) {
        refused = true;
        const late = RawClient.connect(leaving, { token: await api.issueToken('all') });
        await expect(late).rejects.toMatchObject({ status: 503 });
      }
    }
    expect(refused).toBe(true);
    expect(await stopping).toBe(0);
    await allReceived(members, sent);
    for (const { name, moves, lostWith } of members)
      expect({ name, moves, lostWith }).toEqual({ name, moves: 1, lostWith: [] });

    const spread = Math.max(...movedAt) - Math.min(...movedAt);
    const busiest = Math.max(...movedAt.map((at) => movedAt.filter((other) => other >= at && other < at + 500).length));
    console.log(`200 sessions moved within ${Math.round(spread)} ms, at most ${busiest} in half a second`);
    // 200 sessions spread evenly over half of the drain period of 6 s would be 33 in half a second.
    expect(busiest).toBeLessThan(members.length / 2);
  });

  test('a call page keeps its session and its media, and never shows "reconnecting"', async () => {
    const { ada, bob, before, toGateway, mediaFlows } = await callBehindBalancer(browser, fleet, 'call');
    for (const page of [ada, bob]) await page.watchState();
    toGateway(1);
    const frames = ada.framesDuring('bob', 4000);
    expect(await fleet.processes.get('gateway-1')!.stop('SIGTERM', 20_000)).toBe(0);
    expect(await frames).toBeGreaterThan(0);
    await mediaFlows();
    expect([await ada.room(), await bob.room()]).toEqual(before);
    for (const page of [ada, bob]) expect(await page.statesSeen()).toEqual([]);
    await bob.collectMessages();
    await ada.send('over the other gateway');
    await waitFor('the message', async () => {
      if ((await bob.messages()).length !== 1) notYet('it has not arrived');
    });
  });

  test('a call continues when the load balancer sends its client to the stopping gateway until it has exited', async () => {
    const { ada, bob, before, toGateway, mediaFlows } = await callBehindBalancer(browser, fleet, 'call');
    expect(await fleet.processes.get('gateway-1')!.stop('SIGTERM', 20_000)).toBe(0);
    toGateway(1);
    await bob.collectMessages();
    await waitFor('a message over the other gateway', async () => {
      await ada.send('over the other gateway').catch(() => undefined);
      if ((await bob.messages()).length === 0) notYet('none arrived');
    });
    expect([await ada.room(), await bob.room()]).toEqual(before);
    await mediaFlows();
  });
});

import type { Fleet } from '@flotilla/local-fleet';
import { adminUrlOf } from '@flotilla/processes';
import { CallPage, launchBrowser, notYet, RawClient, RestApi, TcpProxy, waitFor } from '@flotilla/testkit';
import { allGot, Member } from './crowd.ts';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ownFleet } from './own-fleet.ts';

const drainSeconds = 6;
const stopDelaySeconds = 2;

describe('a gateway is restarted while people talk', () => {
  let fleet: Fleet;
  let api: RestApi;

  beforeEach(async () => {
    fleet = await ownFleet('restart', {
      sfuNodes: 1,
      gateways: 2,
      env: {
        FLOTILLA_DRAIN_SECONDS: String(drainSeconds),
        FLOTILLA_STOP_DELAY_SECONDS: String(stopDelaySeconds),
        FLOTILLA_SFU_CAPACITY: '500',
      },
    });
    api = new RestApi(fleet.registryUrl, fleet.apiKey);
  });
  afterEach(() => fleet?.stop());

  test('its sessions move to another over the time there is, not all at once, and miss nothing', async () => {
    const [leaving, staying] = fleet.gatewayUrls as [string, string];
    await api.createRoom({ name: 'all', maxParticipants: 300 });
    const movedAt: number[] = [];
    const members = Array.from(
      { length: 200 },
      (_, index) =>
        new Member(() => {
          movedAt.push(performance.now());
          return staying;
        }, `member-${index}`),
    );
    for (let from = 0; from < members.length; from += 20)
      await Promise.all(members.slice(from, from + 20).map((member) => member.join(api, 'all', leaving)));
    const speaker = new Member(() => staying, 'speaker');
    onTestFinished(() => {
      for (const member of [...members, speaker]) member.leave();
    });
    await speaker.join(api, 'all', staying);

    const gateway = fleet.processes.get('gateway-1')!;
    const said: number[] = [];
    let refused = false;
    const stopping = gateway.stop('SIGTERM', 20_000);
    for (let number = 1; !gateway.ended || number < 50; number++) {
      expect(await speaker.say(number)).toMatchObject({ ok: true });
      said.push(number);
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
    await allGot(members, said);
    for (const { name, moves, breaks } of members)
      expect({ name, moves, breaks }).toEqual({ name, moves: 1, breaks: [] });

    const spread = Math.max(...movedAt) - Math.min(...movedAt);
    const busiest = Math.max(...movedAt.map((at) => movedAt.filter((other) => other >= at && other < at + 500).length));
    console.log(`200 sessions moved within ${Math.round(spread)} ms, at most ${busiest} in half a second`);
    // Even over half of the time would be 33 in half a second.
    expect(busiest).toBeLessThan(members.length / 2);
  });

  test('the call page goes on without a word: same session, same media, never "reconnecting"', async () => {
    const [browser, proxy] = await Promise.all([
      launchBrowser(),
      TcpProxy.to(Number(new URL(fleet.gatewayUrls[0]!).port)),
    ]);
    try {
      const signalUrl = `http://127.0.0.1:${proxy.port}`;
      const [ada, bob] = [
        await CallPage.join(browser, fleet.pageUrl, { room: 'call', name: 'ada', signalUrl }),
        await CallPage.join(browser, fleet.pageUrl, { room: 'call', name: 'bob', signalUrl }),
      ];
      await Promise.all([ada.hearsAndSees('bob'), bob.hearsAndSees('ada')]);
      const before = [await ada.room(), await bob.room()];
      for (const page of [ada, bob]) await page.watchState();
      proxy.leadTo(Number(new URL(fleet.gatewayUrls[1]!).port));
      const frames = ada.framesDuring('bob', 4000);
      expect(await fleet.processes.get('gateway-1')!.stop('SIGTERM', 20_000)).toBe(0);
      expect(await frames).toBeGreaterThan(0);
      await Promise.all([ada.hearsAndSees('bob'), bob.hearsAndSees('ada')]);
      expect([await ada.room(), await bob.room()]).toEqual(before);
      for (const page of [ada, bob]) expect(await page.statesSeen()).toEqual([]);
      await bob.collectMessages();
      await ada.send('over the other gateway');
      await waitFor('the message', async () =>
        (await bob.messages()).length === 1 ? undefined : notYet('it is not there'),
      );
    } finally {
      await browser.close();
      await proxy.close();
    }
  });

  test('the call goes on when the load balancer leads to the stopped gateway until it has ended', async () => {
    const [browser, proxy] = await Promise.all([
      launchBrowser(),
      TcpProxy.to(Number(new URL(fleet.gatewayUrls[0]!).port)),
    ]);
    try {
      const signalUrl = `http://127.0.0.1:${proxy.port}`;
      const [ada, bob] = [
        await CallPage.join(browser, fleet.pageUrl, { room: 'call', name: 'ada', signalUrl }),
        await CallPage.join(browser, fleet.pageUrl, { room: 'call', name: 'bob', signalUrl }),
      ];
      await Promise.all([ada.hearsAndSees('bob'), bob.hearsAndSees('ada')]);
      const before = [await ada.room(), await bob.room()];
      expect(await fleet.processes.get('gateway-1')!.stop('SIGTERM', 20_000)).toBe(0);
      proxy.leadTo(Number(new URL(fleet.gatewayUrls[1]!).port));
      await bob.collectMessages();
      await waitFor('a message over the other gateway', async () => {
        await ada.send('over the other gateway').catch(() => undefined);
        if ((await bob.messages()).length === 0) notYet('none arrived');
      });
      expect([await ada.room(), await bob.room()]).toEqual(before);
      await Promise.all([ada.hearsAndSees('bob'), bob.hearsAndSees('ada')]);
    } finally {
      await browser.close();
      await proxy.close();
    }
  });
});

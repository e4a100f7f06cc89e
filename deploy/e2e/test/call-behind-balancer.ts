import { CallPage, TcpProxy } from '@flotilla/testkit';
import type { Browser } from 'playwright-core';
import { onTestFinished } from 'vitest';
import type { TestFleet } from '../src/index.ts';

/** A call of two whose signaling goes over a load balancer. */
export interface CallBehindBalancer {
  readonly ada: CallPage;
  readonly bob: CallPage;
  /** The participants' rooms when both received each other. */
  readonly before: Awaited<ReturnType<CallPage['room']>>[];
  /** Sends new connections to a gateway, by its index. */
  readonly toGateway: (index: number) => void;
  /** Waits until each receives audio and video of the other. */
  readonly mediaFlows: () => Promise<void>;
}

/** Starts the call over the first gateway of a fleet. It ends with the test. */
export async function callBehindBalancer(
  browser: Browser,
  fleet: TestFleet,
  room: string,
): Promise<CallBehindBalancer> {
  const portOf = (index: number): number => Number(new URL(fleet.gatewayUrls[index]!).port);
  const proxy = await TcpProxy.to(portOf(0));
  const calls: CallPage[] = [];
  onTestFinished(async () => {
    await Promise.all(calls.map((call) => call.close()));
    await proxy.close();
  });
  const signalUrl = `http://127.0.0.1:${proxy.port}`;
  for (const name of ['ada', 'bob']) calls.push(await CallPage.join(browser, fleet.pageUrl, { room, name, signalUrl }));
  const [ada, bob] = calls as [CallPage, CallPage];
  const mediaFlows = async (): Promise<void> => {
    await Promise.all([ada.receivesMediaOf('bob'), bob.receivesMediaOf('ada')]);
  };
  await mediaFlows();
  return {
    ada,
    bob,
    before: [await ada.room(), await bob.room()],
    toGateway: (index) => proxy.redirectTo(portOf(index)),
    mediaFlows,
  };
}

import { notYet, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { standalone } from '../src/index.ts';
import { type LayersPage, openPage, publish, resize, sends, sent, show, shown, shows } from './layers-page.ts';
import { spread } from './spread.ts';
import { useBrowser } from './use-topology.ts';

/** Cameras of the gallery. Each is encoded at 1280x720 in three layers, unless the layers are switched off. */
const cameras = Number(process.env['CAMERAS'] ?? 2);
/** A tile of a gallery of 25 in a window of 1280x720. */
const tile = 'width: 256px; height: 144px; float: left';
const large = 'width: 1280px; height: 720px';
const measuredMs = 10_000;
const rounds = 10;

declare const inPage: LayersPage;
/** A frame of a stream that had none for 400 ms, and when it was sent, in ms since the Unix epoch. */
interface FirstFrame {
  readonly ssrc: number;
  readonly at: number;
}
declare const firstFrames: FirstFrame[];
/** When the SDK set parameters of a sender, in ms since the Unix epoch. */
declare const notifiedAt: number[];

let topology: Topology;
let browser: Browser;
const pages: Page[] = [];
beforeAll(async () => {
  topology = await standalone();
});
afterAll(() => topology.stop());
useBrowser((it) => (browser = it));
afterEach(async () => {
  await Promise.all(pages.splice(0).map((page) => page.context().close()));
});

/** Run in the page: its browser switches no layer off, as a client that does not know the notification. */
function keepLayers(): void {
  const keep: ProxyHandler<RTCRtpSender['setParameters']> = {
    apply: (target, sender, [parameters, ...others]: [RTCRtpSendParameters]) => {
      for (const encoding of parameters.encodings) encoding.active = true;
      return Reflect.apply(target, sender, [parameters, ...others]);
    },
  };
  const prototype = RTCRtpSender.prototype as { setParameters: (parameters: RTCRtpSendParameters) => Promise<void> };
  prototype.setParameters = new Proxy(prototype['setParameters'], keep);
}

/** Mean bit rate that each camera sends in kbit/s, and the frames per second of each tile. */
async function measure(runFirst?: () => void): Promise<{ kbps: number; layers: number[]; fps: number }> {
  const room = await topology.api.newRoom('gallery');
  const [senders, viewer] = [await openPage(browser, topology, runFirst), await openPage(browser, topology)];
  pages.push(senders, viewer);
  for (let camera = 0; camera < cameras; camera++) await publish(senders, topology, room);
  await show(viewer, topology, room, tile);
  await waitFor(
    'all tiles',
    async () => {
      const tiles = await shown(viewer);
      if (tiles.length < cameras || tiles.some(({ frames }) => frames < 30)) notYet(JSON.stringify(tiles));
    },
    { timeoutMs: 60_000 },
  );
  // What is not shown is switched off, and the estimate of the uplink has grown.
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  const [sentBefore, shownBefore] = [await sent(senders), await shown(viewer)];
  await new Promise((resolve) => setTimeout(resolve, measuredMs));
  const [sentAfter, shownAfter] = [await sent(senders), await shown(viewer)];
  const layers = [0, 1, 2].map((layer) => {
    const bytes = sentAfter.map((each, camera) => each[layer]!.bytes - sentBefore[camera]![layer]!.bytes);
    return (8 * bytes.reduce((sum, each) => sum + each, 0)) / cameras / measuredMs;
  });
  const frames = shownAfter.map((each, index) => each.frames - shownBefore[index]!.frames);
  const fps = (1000 * frames.reduce((sum, each) => sum + each, 0)) / cameras / measuredMs;
  await Promise.all(pages.splice(0).map((page) => page.context().close()));
  return { kbps: layers.reduce((sum, each) => sum + each, 0), layers, fps };
}

test('what the cameras of a gallery send, with and without the layers that no tile shows, is printed', async () => {
  for (const [what, runFirst] of [
    ['all layers', keepLayers],
    ['layers that are shown', undefined],
  ] as const) {
    const { kbps, layers, fps } = await measure(runFirst);
    const byLayer = layers.map((each) => Math.round(each)).join(' + ');
    console.log(
      `${what}: ${Math.round(kbps)} kbit/s a camera (${byLayer}), ${fps.toFixed(1)} frames/s a tile, ${cameras} cameras`,
    );
    expect(fps).toBeGreaterThan(0);
  }
});

/** Run in the page: notes the first frame of each stream of a video, and each that follows 400 ms without one. */
function noteFirstFrames(): void {
  const script = `onrtctransform = async ({ transformer: { readable, writable } }) => {
    const last = new Map();
    const note = new TransformStream({
      transform(frame, controller) {
        const at = performance.timeOrigin + performance.now();
        const { synchronizationSource: ssrc } = frame.getMetadata();
        if (!(at - last.get(ssrc) < 400)) postMessage({ ssrc, at });
        last.set(ssrc, at);
        controller.enqueue(frame);
      },
    });
    await readable.pipeThrough(note).pipeTo(writable);
  };`;
  Object.assign(globalThis, { firstFrames: [], notifiedAt: [] });
  const notify: ProxyHandler<RTCRtpSender['setParameters']> = {
    apply(target, sender, parameters) {
      notifiedAt.push(performance.timeOrigin + performance.now());
      return Reflect.apply(target, sender, parameters) as Promise<void>;
    },
  };
  const senders = RTCRtpSender.prototype as { setParameters: RTCRtpSender['setParameters'] };
  senders.setParameters = new Proxy(senders['setParameters'], notify);
  const note: ProxyHandler<(...parameters: unknown[]) => RTCRtpTransceiver> = {
    apply(target, connection, parameters) {
      const transceiver = Reflect.apply(target, connection, parameters);
      const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
      worker.addEventListener('message', ({ data }) => void firstFrames.push(data as FirstFrame));
      if (transceiver.sender.track?.kind === 'video') transceiver.sender.transform = new RTCRtpScriptTransform(worker);
      return transceiver;
    },
  };
  const prototype = RTCPeerConnection.prototype as unknown as {
    addTransceiver: (...parameters: unknown[]) => RTCRtpTransceiver;
  };
  prototype.addTransceiver = new Proxy(prototype['addTransceiver'], note);
}

/** SSRC of the highest layer that the page sends. */
const highestSsrc = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const [publication] = inPage.rooms[0]!.publications.values();
    const { rtpSender } = publication!.sender as unknown as { rtpSender: RTCRtpSender };
    const { rid } = rtpSender.getParameters().encodings.at(-1)!;
    const stats = [...(await rtpSender.getStats()).values()] as RTCOutboundRtpStreamStats[];
    return stats.find((each) => each.type === 'outbound-rtp' && each.rid === rid)!.ssrc;
  });

test.each([
  ['one node', false],
  ['two nodes', true],
])(
  'the time until a layer is sent that a subscriber asks for is printed, on %s',
  async (name, isSpread) => {
    const room = await topology.api.newRoom('layers', { spread: isSpread });
    const [ada, bob] = [await openPage(browser, topology, noteFirstFrames), await openPage(browser, topology)];
    pages.push(ada, bob);
    await publish(ada, topology, room);
    await show(bob, topology, room, large);
    await shows(bob, 1280);
    const ssrc = await highestSsrc(ada);
    const [notifiedAfter, sentAfter, shownAfter]: [number[], number[], number[]] = [[], [], []];
    const choose = (spatial: number): Promise<number> =>
      bob.evaluate((layer) => {
        const [remote] = [...inPage.rooms[0]!.participants.values()].flatMap(({ publications }) => [
          ...publications.values(),
        ]);
        const askedAt = performance.timeOrigin + performance.now();
        void remote!.setLayers({ spatial: layer });
        return askedAt;
      }, spatial);
    await resize(bob, large);
    for (let round = 0; round < rounds; round++) {
      await choose(0);
      await sends(ada, true, false, false);
      const askedAt = await choose(2);
      const shownAt = bob.evaluate(async () => {
        const [video] = inPage.videos.values();
        while (video!.videoWidth !== 1280)
          await new Promise((resolve) => video!.requestVideoFrameCallback(() => resolve(undefined)));
        return performance.timeOrigin + performance.now();
      });
      const sentAt = await waitFor('the layer', async () => {
        const frames = await ada.evaluate(() => firstFrames);
        return frames.find((each) => each.ssrc === ssrc && each.at > askedAt)?.at ?? notYet(JSON.stringify(frames));
      });
      notifiedAfter.push((await ada.evaluate(() => notifiedAt)).find((at) => at > askedAt)! - askedAt);
      sentAfter.push(sentAt - askedAt);
      shownAfter.push((await shownAt) - askedAt);
    }
    console.log(`${name}, ${rounds} times, ms after the request of the subscriber:`);
    console.log(`  publisher notified ${spread(notifiedAfter)}`);
    console.log(`  first frame of the layer sent ${spread(sentAfter)}`);
    console.log(`  shown ${spread(shownAfter)}`);
    expect(sentAfter).toHaveLength(rounds);
  },
  600_000,
);

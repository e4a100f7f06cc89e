/** Pages with the SDK that publish and show videos, and what they send of each simulcast layer. */
import type { RemotePublication } from '@flotilla/client';
import { notYet, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';

/** The SDK as loaded from /sdk/, and its rooms. */
type Sdk = typeof import('@flotilla/client');
type Room = Awaited<ReturnType<Sdk['connect']>>;

/** `inPage` of such a page. */
export interface LayersPage {
  sdk: Sdk;
  rooms: Room[];
  camera?: MediaStreamTrack;
  /** Elements of what is received, by publication. */
  videos: Map<string, HTMLVideoElement>;
}

/** A global of the page. */
declare const inPage: LayersPage;

/** A blank page with the SDK. */
export async function openPage(browser: Browser, topology: Topology, runFirst?: () => void): Promise<Page> {
  const viewport = { width: 1280, height: 720 };
  const page = await (await browser.newContext({ viewport, permissions: ['camera', 'microphone'] })).newPage();
  if (runFirst) await page.addInitScript(runFirst);
  await page.goto(`${topology.pageUrl}/examples/`);
  await page.setContent(`<body style="margin: 0"><script type="module">
    import * as sdk from '/sdk/flotilla-client.js';
    globalThis.inPage = { sdk, rooms: [], videos: new Map() };
  </script></body>`);
  await page.waitForFunction(() => 'inPage' in globalThis);
  return page;
}

/** Another session of the page joins a room, and publishes the camera of the page. Returns the id of the participant. */
export async function publish(page: Page, topology: Topology, room: string): Promise<string> {
  return page.evaluate(
    async ([token, name]) => {
      inPage.camera ??= await inPage.sdk.openCamera();
      const joined = await inPage.sdk.connect(location.origin, { token: token!, room: name!, subscribe: false });
      inPage.rooms.push(joined);
      await joined.publish(inPage.camera.clone());
      return joined.me.id;
    },
    [await topology.api.issueToken(room), room],
  );
}

/** The page joins a room, and shows each video in an element of the size, to which it is adapted. */
export async function show(page: Page, topology: Topology, room: string, style: string): Promise<void> {
  await page.evaluate(
    async ([token, name, css]) => {
      const joined = await inPage.sdk.connect(location.origin, { token: token!, room: name! });
      inPage.rooms.push(joined);
      const add = (publication: RemotePublication): void => {
        const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true });
        video.style.cssText = css!;
        document.body.append(video);
        inPage.videos.set(publication.id, video);
        publication.attach(video);
        publication.adaptTo(video);
      };
      for (const { publications } of joined.participants.values())
        for (const publication of publications.values()) add(publication);
      joined.on('publicationAdded', (publication) => add(publication));
    },
    [await topology.api.issueToken(room), room, style],
  );
}

/** Changes the size of all elements of the page. */
export const resize = (page: Page, style: string): Promise<void> =>
  page.evaluate((css) => {
    for (const video of inPage.videos.values()) video.style.cssText = css;
  }, style);

/** Width and number of frames of each video that the page shows. */
export const shown = (page: Page): Promise<{ width: number; frames: number }[]> =>
  page.evaluate(() =>
    [...inPage.videos.values()].map((video) => ({
      width: video.videoWidth,
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
    })),
  );

export interface SentLayer {
  /** Whether its encoding is switched on. */
  readonly active: boolean;
  readonly packets: number;
  readonly bytes: number;
}

/** What each session of the page has sent of its video so far, from the lowest layer to the highest. */
export const sent = (page: Page): Promise<SentLayer[][]> =>
  page.evaluate(async () => {
    const all: SentLayer[][] = [];
    for (const room of inPage.rooms) {
      for (const { sender, kind } of room.publications.values()) {
        if (kind !== 'video') continue;
        const { rtpSender } = sender as unknown as { rtpSender: RTCRtpSender };
        const { encodings } = rtpSender.getParameters();
        const rids = encodings.map(({ rid }) => rid);
        const layers = encodings.map(({ active = true }) => ({ active, packets: 0, bytes: 0 }));
        for (const stat of (await rtpSender.getStats()).values() as Iterable<RTCOutboundRtpStreamStats>) {
          if (stat.type !== 'outbound-rtp') continue;
          const layer = layers[Math.max(0, rids.indexOf(stat.rid))]!;
          layer.packets = stat.packetsSent ?? 0;
          layer.bytes = (stat.bytesSent ?? 0) + (stat.headerBytesSent ?? 0);
        }
        all.push(layers);
      }
    }
    return all;
  });

/** Waits until the first video of the page is sent in these layers, for half a second, and in no others. */
export async function sends(page: Page, ...layers: boolean[]): Promise<void> {
  let [before] = await sent(page);
  await waitFor(
    `layers ${layers.join()}`,
    async () => {
      const [now] = await sent(page);
      const sending = now!.map(({ packets }, layer) => packets > before![layer]!.packets);
      const active = now!.map((each) => each.active);
      before = now;
      if (sending.join() !== layers.join() || active.join() !== layers.join())
        notYet(`it sends ${sending.join()}, switched on are ${active.join()}`);
    },
    { timeoutMs: 30_000, everyMs: 500 },
  );
}

/** Waits for further frames of the first video, of a width. */
export async function shows(page: Page, width: number): Promise<void> {
  const [before] = await shown(page);
  await waitFor(
    `frames of ${width} pixels`,
    async () => {
      const [now] = await shown(page);
      if (now?.width !== width || now.frames < (before?.frames ?? 0) + 5) notYet(JSON.stringify(now));
    },
    { timeoutMs: 30_000 },
  );
}

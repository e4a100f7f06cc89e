import { audioParameters, joinWithMedia, notYet, publishAudio, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { useBrowser, useStandalone } from './use-topology.ts';

/** The SDK as loaded from /sdk/, and its rooms. */
type Sdk = typeof import('@flotilla/client');
type Room = Awaited<ReturnType<Sdk['connect']>>;
interface SdkPage {
  sdk: Sdk;
  room: Room;
  video: HTMLVideoElement;
  stopAdapting?: () => void;
}
const refusedCname = 'refused';

/** Run in the page: its browser refuses descriptions that contain `refusedCname`. */
function refuseCname(): void {
  const refusing: ProxyHandler<RTCPeerConnection['setRemoteDescription']> = {
    apply: (target, connection, [description]: [RTCSessionDescriptionInit]) =>
      description.sdp?.includes('cname:refused')
        ? Promise.reject(new DOMException('Failed to parse SessionDescription.', 'OperationError'))
        : Reflect.apply(target, connection, [description]),
  };
  const prototype = RTCPeerConnection.prototype as { setRemoteDescription: (description: object) => Promise<void> };
  Object.assign(prototype, { setRemoteDescription: new Proxy(prototype['setRemoteDescription'], refusing) });
}

/** A global of the page. */
declare const inPage: SdkPage;
declare const reported: { speakers: string[][]; leaders: string[] };

describe('the SDK', () => {
  let topology: Topology;
  let browser: Browser;
  let pages: Page[];
  let room: string;
  let rooms = 0;

  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));
  beforeEach(async () => {
    pages = [];
    room = `sdk-${++rooms}`;
    await topology.api.createRoom({ name: room, spread: rooms % 2 === 0 });
  });
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.context().close()));
  });

  /** A blank page in the room, with the SDK. */
  async function enter(name: string, runFirst?: () => void): Promise<Page> {
    const page = await (await browser.newContext({ permissions: ['camera', 'microphone'] })).newPage();
    pages.push(page);
    if (runFirst) await page.addInitScript(runFirst);
    await page.goto(`${topology.pageUrl}/examples/`);
    const token = await topology.api.issueToken(room, { name });
    await page.setContent(`<video autoplay muted playsinline></video>
      <script type="module">
        import * as sdk from '/sdk/flotilla-client.js';
        globalThis.inPage = { sdk, video: document.querySelector('video') };
      </script>`);
    await page.waitForFunction(() => 'inPage' in globalThis);
    await page.evaluate(
      async ([joinToken, joinRoom]) => {
        const joined = await inPage.sdk.connect(location.origin, { token: joinToken!, room: joinRoom! });
        inPage.room = joined;
        for (const { publications } of joined.participants.values())
          for (const each of publications.values()) if (each.kind === 'video') each.attach(inPage.video);
        joined.on('publicationAdded', (each) => {
          if (each.kind === 'video') each.attach(inPage.video);
        });
      },
      [token, room],
    );
    return page;
  }

  const frames = (page: Page): Promise<number> =>
    page.evaluate(() => inPage.video.getVideoPlaybackQuality().totalVideoFrames);
  const width = (page: Page): Promise<number> => page.evaluate(() => inPage.video.videoWidth);
  const framesCome = async (page: Page): Promise<void> => {
    const before = await frames(page);
    await waitFor(
      'frames',
      async () =>
        (await frames(page)) > before + 5 ? undefined : notYet(`${(await frames(page)) - before} new frames`),
      { timeoutMs: 20_000 },
    );
  };
  const publishedCodec = (page: Page): Promise<string | undefined> =>
    page.evaluate(
      () => [...inPage.room.participants.values()].flatMap(({ publications }) => [...publications.values()])[0]?.codec,
    );

  test.each([
    ['vp8', 'video/VP8'],
    ['h264', 'video/H264'],
    ['vp9', 'video/VP9'],
    ['av1', 'video/AV1'],
  ] as const)('video in %s is sent and decoded', async (videoCodec, mimeType) => {
    const [ada, bob] = [await enter('ada'), await enter('bob')];
    await ada.evaluate(async (codec) => {
      await inPage.room.publish(await inPage.sdk.openCamera(), { videoCodec: codec });
    }, videoCodec);
    await framesCome(bob);
    expect(await publishedCodec(bob)).toBe(mimeType);
    expect(await width(bob)).toBeGreaterThan(0);
  });

  test('a video that is adapted to its element is received in its size, and not while it is hidden', async () => {
    const [ada, bob] = [await enter('ada'), await enter('bob')];
    await ada.evaluate(async () => void (await inPage.room.publish(await inPage.sdk.openCamera())));
    await framesCome(bob);
    const widthBecomes = (what: string, isRight: (now: number) => boolean): Promise<void> =>
      waitFor(
        what,
        async () => {
          const now = await width(bob);
          if (!isRight(now)) notYet(`it is ${now} pixels wide`);
        },
        { timeoutMs: 30_000 },
      );
    const resize = (css: string) => bob.evaluate((style) => void (inPage.video.style.cssText = style), css);
    await widthBecomes('the highest layer', (now) => now > 320);
    await resize('width: 160px; height: 90px');
    await bob.evaluate(() => {
      const [publication] = [...inPage.room.participants.values()].flatMap(({ publications }) => [
        ...publications.values(),
      ]);
      inPage.stopAdapting = publication!.adaptTo(inPage.video);
    });
    await widthBecomes('the lowest layer', (now) => now <= 320);
    await resize('width: 1280px; height: 720px');
    await widthBecomes('the highest layer again', (now) => now > 320);
    await resize('position: fixed; left: -5000px; width: 640px; height: 360px');
    let before = -1;
    await waitFor(
      'no frames for a second',
      async () => {
        const now = await frames(bob);
        const more = now - before;
        before = now;
        if (more > 0) notYet(`${more} new frames`);
      },
      { timeoutMs: 20_000, everyMs: 1000 },
    );
    await resize('width: 160px; height: 90px');
    await framesCome(bob);
    await widthBecomes('the lowest layer once more', (now) => now <= 320);
    await bob.evaluate(() => inPage.stopAdapting!());
    await widthBecomes('the highest layer when it is no longer adapted', (now) => now > 320);
  });

  test('a publication that the browser refuses costs itself alone, for those in the room and for newcomers', async () => {
    const [ada, bob] = [await enter('ada', refuseCname), await enter('bob')];
    const { raw } = await joinWithMedia(topology, room);
    const rtpParameters = { ...audioParameters, rtcp: { cname: refusedCname } };
    expect(await publishAudio(raw, room, { rtpParameters })).toMatchObject({ ok: true });
    await bob.evaluate(async () => void (await inPage.room.publish(await inPage.sdk.openCamera())));
    await framesCome(ada);
    const carol = await enter('carol', refuseCname);
    await framesCome(carol);
    raw.close();
  });

  test.each([
    ['simulcast', 'vp8'],
    ['SVC', 'vp9'],
  ] as const)('a subscriber selects the layers of %s, pauses and resumes', async (_what, videoCodec) => {
    const [ada, bob] = [await enter('ada'), await enter('bob')];
    await ada.evaluate(async (codec) => {
      await inPage.room.publish(await inPage.sdk.openCamera(), { videoCodec: codec });
    }, videoCodec);
    await framesCome(bob);
    const remote = (act: 'setLow' | 'setHigh' | 'pause' | 'resume') =>
      bob.evaluate(async (what) => {
        const [publication] = [...inPage.room.participants.values()].flatMap(({ publications }) => [
          ...publications.values(),
        ]);
        if (what === 'setLow') await publication!.setLayers({ spatial: 0 });
        if (what === 'setHigh') await publication!.setLayers({ spatial: 2 });
        if (what === 'pause') await publication!.pause();
        if (what === 'resume') await publication!.resume();
      }, act);
    const widthIs = (expected: number) =>
      waitFor(
        `a width of ${expected}`,
        async () => ((await width(bob)) === expected ? undefined : notYet(`it is ${await width(bob)}`)),
        { timeoutMs: 30_000 },
      );

    await remote('setLow');
    await widthIs(320);
    await remote('setHigh');
    await widthIs(1280);
    await remote('pause');
    await waitFor('a paused video', async () => {
      const before = await frames(bob);
      await bob.waitForTimeout(500);
      if ((await frames(bob)) > before) notYet('frames come');
    });
    await remote('resume');
    await framesCome(bob);
  });

  test('replaceTrack keeps the publication, unpublish removes it for the others', async () => {
    const [ada, bob] = [await enter('ada'), await enter('bob')];
    await ada.evaluate(async () => {
      await inPage.room.publish(await inPage.sdk.openCamera());
    });
    await framesCome(bob);
    const ids = () =>
      bob.evaluate(() =>
        [...inPage.room.participants.values()].flatMap(({ publications }) => [...publications.keys()]),
      );
    const before = await ids();
    await ada.evaluate(async () => {
      const [publication] = inPage.room.publications.values();
      const previous = publication!.track!;
      const canvas = Object.assign(document.createElement('canvas'), { width: 200, height: 100 });
      const context = canvas.getContext('2d')!;
      setInterval(() => context.fillRect(Math.random() * 200, Math.random() * 100, 10, 10), 40);
      await publication!.replaceTrack(canvas.captureStream(25).getVideoTracks()[0]!);
      previous.stop();
    });
    await waitFor('frames of the canvas', async () => {
      const [shown, shape] = [
        await width(bob),
        await bob.evaluate(() => inPage.video.videoWidth / inPage.video.videoHeight),
      ];
      if (Math.abs(shape - 2) > 0.05) notYet(`it is ${shown} wide, ${shape} times its height`);
    });
    expect(await ids()).toEqual(before);

    await ada.evaluate(() => [...inPage.room.publications.values()][0]!.unpublish());
    await waitFor('the removed publication', async () =>
      (await ids()).length === 0 ? undefined : notYet('it is there'),
    );
    expect(await bob.evaluate(() => inPage.video.srcObject)).not.toBeUndefined();
  });

  test('a participant that speaks is reported in speakersChanged and activeSpeakerChanged', async () => {
    const [ada, bob] = [await enter('ada'), await enter('bob')];
    await bob.evaluate(() => {
      Object.assign(globalThis, { reported: { speakers: [], leaders: [] } });
      inPage.room.on('speakersChanged', (ids) => reported.speakers.push([...ids]));
      inPage.room.on('activeSpeakerChanged', (id) => reported.leaders.push(id));
    });
    // A continuous tone, because Chromium's fake microphone beeps once per second.
    await ada.evaluate(async () => {
      const context = new AudioContext();
      const tone = new OscillatorNode(context, { frequency: 300 });
      const out = new MediaStreamAudioDestinationNode(context);
      tone.connect(out);
      tone.start();
      await inPage.room.publish(out.stream.getAudioTracks()[0]!);
    });
    const me = await ada.evaluate(() => inPage.room.me.id);
    await waitFor('ada is the active speaker', async () => {
      const seen = await bob.evaluate(() => reported);
      if (!seen.speakers.some((ids) => ids.includes(me))) notYet(`speakers: ${JSON.stringify(seen.speakers)}`);
      if (!seen.leaders.includes(me)) notYet(`leaders: ${JSON.stringify(seen.leaders)}`);
    });
    await ada.evaluate(() => [...inPage.room.publications.values()][0]!.mute());
    await waitFor('silence', async () => {
      const { speakers } = await bob.evaluate(() => reported);
      if (speakers.at(-1)!.length > 0) notYet('ada is still a speaker');
    });
  });

  test('a connection with an invalid, expired or used token fails with the code of the reason', async () => {
    const page = await enter('ada');
    const refusal = (token: string) =>
      page.evaluate(
        ([bad, expected]) =>
          inPage.sdk.connect(location.origin, { token: bad!, room: expected! }).then(
            () => 'connected',
            (error: { code: string }) => error.code,
          ),
        [token, room],
      );
    const used = await topology.api.issueToken(room);
    expect(await refusal('nonsense')).toBe('TOKEN_INVALID');
    expect(await refusal(await topology.expiredToken(room))).toBe('TOKEN_EXPIRED');
    expect(await refusal(used)).toBe('connected');
    expect(await refusal(used)).toBe('TOKEN_REPLAYED');
  });

  test('the example page makes a call', async () => {
    const open = async (): Promise<Page> => {
      const page = await (await browser.newContext({ permissions: ['camera', 'microphone'] })).newPage();
      pages.push(page);
      await page.goto(`${topology.pageUrl}/examples/call.html`);
      return page;
    };
    const [first] = [await open(), await open()];
    await waitFor(
      'media of the other participant',
      async () => {
        const media = await first.evaluate(() =>
          [...document.querySelectorAll<HTMLMediaElement>('video, audio')].map((element) => ({
            tag: element.tagName,
            time: element.currentTime,
          })),
        );
        if (media.length !== 2 || media.some(({ time }) => time === 0)) notYet(JSON.stringify(media));
      },
      { timeoutMs: 20_000 },
    );
  });

  test('connects with a wrong clock, and stays connected with fresh tokens when its token expires', async () => {
    const page = await enter('ada');
    const userId = 'ada-with-tokens';
    const tokenSeconds = 10;
    await page.exposeFunction('newToken', () => topology.api.issueToken(room, { userId, ttlSeconds: tokenSeconds }));
    const outcome = await page.evaluate(
      async ([joinRoom, waitMs]) => {
        const { newToken } = globalThis as unknown as { newToken: () => Promise<string> };
        const now = Date.now;
        Date.now = () => now() + 3_600_000;
        let asked = 0;
        const states: string[] = [];
        const joined = await inPage.sdk.connect(location.origin, {
          token: () => {
            asked++;
            return newToken();
          },
          room: joinRoom,
        });
        joined.on('stateChanged', (state) => states.push(state));
        const { id } = joined.me;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        const stillThere = joined.state === 'connected' && joined.me.id === id;
        await joined.send('still here');
        await joined.leave();
        return { stillThere, asked, states };
      },
      // The first token and the second have expired by then.
      [room, (2 * tokenSeconds + 1) * 1000] as const,
    );
    expect(outcome.stillThere).toBe(true);
    // One to connect, and one each time the previous one is about to expire.
    expect(outcome.asked).toBeGreaterThanOrEqual(3);
    expect(outcome.states).toEqual(['closed']);
  });
});

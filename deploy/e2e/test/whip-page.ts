/** A page that talks WHIP and WHEP with `fetch` and RTCPeerConnection alone. */
import type { Browser, Page } from 'playwright-core';

interface Exchanged {
  readonly status: number;
  readonly location: string | null;
  readonly etag: string | null;
  readonly problem: string | undefined;
}

interface WhipClient {
  connection: RTCPeerConnection;
  video: HTMLVideoElement;
  location: string;
  token: string;
}
declare const whipClient: WhipClient;

/** A blank page of the topology's origin. */
export async function openWhipPage(browser: Browser, origin: string): Promise<Page> {
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  await page.goto(`${origin}/examples/`);
  await page.setContent('<video autoplay muted playsinline></video>');
  return page;
}

interface Call {
  readonly url: string;
  readonly token: string;
  /** Rids to send, the lowest layer first. */
  readonly rids?: readonly string[];
  readonly codec?: string;
}

/** Publishes the fake camera and microphone. */
export const publish = (page: Page, call: Call): Promise<Exchanged> =>
  page.evaluate(async ({ url, token, rids, codec }) => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720 } });
    const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const [audio, video] = [stream.getAudioTracks()[0]!, stream.getVideoTracks()[0]!];
    connection.addTransceiver(audio, { direction: 'sendonly', streams: [stream] });
    const transceiver = connection.addTransceiver(video, {
      direction: 'sendonly',
      streams: [stream],
      ...(rids && {
        sendEncodings: rids.map((rid, i) => ({ rid, scaleResolutionDownBy: 2 ** (rids.length - 1 - i) })),
      }),
    });
    if (codec) {
      const { codecs } = RTCRtpSender.getCapabilities('video')!;
      const isWanted = ({ mimeType }: { mimeType: string }): boolean => mimeType === codec;
      transceiver.setCodecPreferences([...codecs.filter(isWanted), ...codecs.filter((each) => !isWanted(each))]);
    }
    await connection.setLocalDescription();
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}` },
      body: connection.localDescription!.sdp,
    });
    const text = await response.text();
    const location = response.headers.get('location');
    Object.assign(globalThis, { whipClient: { connection, token, location: new URL(location ?? '', url).href } });
    if (response.status === 201) await connection.setRemoteDescription({ type: 'answer', sdp: text });
    return {
      status: response.status,
      location,
      etag: response.headers.get('etag'),
      problem: response.ok ? undefined : text,
    };
  }, call);

/** Plays audio and video; answers a counter-offer. */
export const play = (page: Page, { url, token }: Call): Promise<Exchanged & { readonly answered?: number }> =>
  page.evaluate(
    async ({ url, token }) => {
      const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      const video = document.querySelector('video')!;
      const stream = new MediaStream();
      video.srcObject = stream;
      connection.ontrack = ({ track }) => stream.addTrack(track);
      connection.addTransceiver('audio', { direction: 'recvonly' });
      connection.addTransceiver('video', { direction: 'recvonly' });
      await connection.setLocalDescription();
      const authorization = `Bearer ${token}`;
      const post = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/sdp', authorization },
        body: connection.localDescription!.sdp,
      });
      const text = await post.text();
      const location = post.headers.get('location');
      Object.assign(globalThis, {
        whipClient: { connection, video, token, location: new URL(location ?? '', url).href },
      });
      const exchanged = { status: post.status, location, etag: post.headers.get('etag'), problem: undefined };
      if (post.status === 201) await connection.setRemoteDescription({ type: 'answer', sdp: text });
      if (post.status !== 406 || !location) return { ...exchanged, problem: post.ok ? undefined : text };
      await connection.setRemoteDescription({ type: 'offer', sdp: text });
      await connection.setLocalDescription();
      const patch = await fetch(location, {
        method: 'PATCH',
        headers: { 'content-type': 'application/sdp', authorization },
        body: connection.localDescription!.sdp,
      });
      return { ...exchanged, answered: patch.status };
    },
    { url, token },
  );

export const framesOf = (page: Page): Promise<number> =>
  page.evaluate(() => whipClient.video.getVideoPlaybackQuality().totalVideoFrames);

export const audioPacketsOf = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const stats = [...(await whipClient.connection.getStats()).values()] as RTCInboundRtpStreamStats[];
    return stats.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')?.packetsReceived ?? 0;
  });

export const localDescription = (page: Page): Promise<string> =>
  page.evaluate(() => whipClient.connection.localDescription!.sdp);

export const negotiated = (page: Page): Promise<string> =>
  page.evaluate(() => whipClient.connection.remoteDescription!.sdp);

/** State of DTLS. `connectionState` follows only when ICE fails, some 15 s after the server has closed. */
export const dtlsState = (page: Page): Promise<string> =>
  page.evaluate(() => {
    // A counter-offer leaves the transceivers of the first offer unused.
    const { sender, receiver } = whipClient.connection.getTransceivers().find(({ mid }) => mid !== null)!;
    return (sender.transport ?? receiver.transport)!.state;
  });

export const remove = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const { location, token } = whipClient;
    return (await fetch(location, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })).status;
  });

/** Restarts ICE over PATCH; resolves with the statuses of the PATCH and the ufrag in use afterwards. */
export const restartIce = (page: Page): Promise<{ status: number; etag: string | null }> =>
  page.evaluate(async () => {
    const { connection, location, token } = whipClient;
    const remote = connection.remoteDescription!.sdp;
    const offer = await connection.createOffer({ iceRestart: true });
    await connection.setLocalDescription(offer);
    const lines = connection.localDescription!.sdp.split('\r\n');
    const first = (name: string): string => lines.find((line) => line.startsWith(`a=${name}:`))!;
    const response = await fetch(location, {
      method: 'PATCH',
      headers: {
        'content-type': 'application/trickle-ice-sdpfrag',
        authorization: `Bearer ${token}`,
        'if-match': '*',
      },
      body: [first('ice-ufrag'), first('ice-pwd'), ''].join('\r\n'),
    });
    const text = await response.text();
    const of = (name: string): string => new RegExp(`a=${name}:(\\S+)`).exec(text)![1]!;
    await connection.setRemoteDescription({
      type: 'answer',
      sdp: remote
        .replaceAll(/a=ice-ufrag:\S+/g, `a=ice-ufrag:${of('ice-ufrag')}`)
        .replaceAll(/a=ice-pwd:\S+/g, `a=ice-pwd:${of('ice-pwd')}`),
    });
    return { status: response.status, etag: response.headers.get('etag') };
  });

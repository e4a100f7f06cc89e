import type { Grant } from '@flotilla/contracts';
import { RawClient } from './raw-client.ts';
import type { Topology } from './topology.ts';

export const opusCodec = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };
export const audioParameters = { mid: '0', codecs: [opusCodec], encodings: [{ ssrc: 1 }] };
let ssrcs = 100;

/** A client without the SDK, in the room with a token of these grants or a given one, and with media as far as it may have it. */
export async function joinWithMedia(
  { api, signalUrls }: Pick<Topology, 'api' | 'signalUrls'>,
  room: string,
  grants?: readonly Grant[],
  given?: string,
): Promise<{
  readonly raw: RawClient;
  /** Undefined when no media was opened. */
  readonly subscribed: readonly string[] | undefined;
}> {
  const token = given ?? (await api.issueToken(room, grants && { grants: [...grants] }));
  const raw = await RawClient.connect(signalUrls[0]!, { token });
  const { rtpCapabilities } = (await raw.event('welcome')).payload;
  const reply = await raw.request('join', { room, rtpCapabilities });
  if (!reply.ok) throw new Error(`not joined: ${JSON.stringify(reply)}`);
  const { media } = reply.payload as { media?: { subscriptions: readonly { publicationId: string }[] } };
  return { raw, subscribed: media?.subscriptions.map(({ publicationId }) => publicationId) };
}

export const publishAudio = (raw: RawClient, room: string, changes: object = {}) =>
  raw.request(
    'publish',
    {
      kind: 'audio',
      source: 'microphone',
      muted: false,
      rtpParameters: { ...audioParameters, encodings: [{ ssrc: ++ssrcs }] },
      ...changes,
    },
    `room:${room}`,
  );

import type { MediaReport } from '@flotilla/contracts';
import type { Consumer } from 'mediasoup-client/types';
import type { RemotePublication } from '../room/remote-publication.ts';
import type { RoomState } from '../room/room-state.ts';
import type { SfuLinks } from './links.ts';

const pollIntervalMs = 25;
/** Media that did not arrive within this time is reported with it, in milliseconds. */
const arrivesWithinMs = 10_000;
/** Publications whose statistics are read at most, so that measuring a large call costs little. */
const maxWatched = 3;

/** Something that is measured, and when it began by `performance.now`. */
export interface Measurement {
  readonly measure: MediaReport['measure'];
  readonly since: number;
}

/**
 * Reports when the first media of a room arrives over the current link: a decoded frame, or a packet of audio when media is recovered and
 * no video is received. Nothing is reported when the room sends nothing, when media goes over another link meanwhile, or while the page is
 * hidden, whose timers are late.
 */
export async function reportMedia(state: RoomState, links: SfuLinks, { measure, since }: Measurement): Promise<void> {
  const expected = (): RemotePublication[] => {
    const visible = [...state.remotePublications()].filter(({ isVisible }) => isVisible);
    const videos = visible.filter(({ announced }) => announced.kind === 'video');
    return (videos.length > 0 || measure === 'first_frame' ? videos : visible).slice(0, maxWatched);
  };
  const link = links.current;
  const deadline = performance.now() + arrivesWithinMs;
  let ms: number | undefined;
  while (ms === undefined) {
    const publications = expected();
    if (!state.isOpen || links.current !== link || publications.length === 0 || isHidden()) return;
    const consumers = publications.flatMap(({ id }) => link?.consumer(id) ?? []);
    const arrived = await Promise.all(consumers.map(hasMedia));
    if (arrived.includes(true)) ms = performance.now() - since;
    else if (performance.now() >= deadline) ms = arrivesWithinMs;
    else await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
  }
  if (!state.isOpen) return;
  await state.request('media_report', { measure, ms: Math.min(Math.round(ms), 60_000) }).catch(() => undefined);
}

const isHidden = (): boolean => globalThis.document?.visibilityState === 'hidden';

async function hasMedia(consumer: Consumer): Promise<boolean> {
  if (consumer.closed) return false;
  const stats = await consumer.getStats().catch(() => undefined);
  return [...(stats?.values() ?? [])].some((report) => {
    const { type, framesDecoded = 0, packetsReceived = 0 } = report as RTCInboundRtpStreamStats;
    return type === 'inbound-rtp' && (consumer.kind === 'audio' ? packetsReceived : framesDecoded) > 0;
  });
}

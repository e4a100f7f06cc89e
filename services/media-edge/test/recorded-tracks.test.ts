import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Publication, Subscription } from '@flotilla/contracts';
import { rtpPacket, type RtpStream } from '@flotilla/edge-peer';
import { readManifest, Recorder } from '@flotilla/recorder';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RecordedTracks } from '../src/recordings/recorded-tracks.ts';
import type { RecordingError } from '../src/recordings/recording-error.ts';

/** TOC byte: one frame of 20 ms, CELT only, mono (RFC 6716, section 3.1). */
const opusFrame = 0xf8;

const publicationOf = (publicationId: string, codec = 'audio/opus'): Publication => ({
  ...{ id: publicationId, participantId: 'pt_1', kind: codec.startsWith('audio') ? 'audio' : 'video' },
  ...{ source: 'microphone', codec, muted: false, producerId: 'producer' },
});
const subscriptionOf = (publicationId: string, payloadType = 111): Subscription => ({
  ...{ publicationId, consumerId: 'consumer', producerId: 'producer', kind: 'audio', type: 'simple', paused: false },
  rtpParameters: {
    codecs: [{ mimeType: 'audio/opus', payloadType, clockRate: 48_000, channels: 2, rtcpFeedback: [] }],
    encodings: [{ ssrc: 1 }],
  },
});

describe('the tracks of a recording', () => {
  let directory: string;
  let recorder: Recorder;
  let tracks: RecordedTracks;
  let errors: RecordingError[];
  const publications = new Map<string, Publication>();

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'flotilla-tracks-'));
    publications.clear();
    errors = [];
    recorder = await Recorder.start({ directory, recordingId: 'rec_1', roomId: 'rm_1' });
    tracks = new RecordedTracks({
      maxTracks: 2,
      publication: (id) => publications.get(id),
      requestKeyFrame: () => undefined,
      onLeftOut: (error) => errors.push(error),
      onFailed: (cause) => {
        throw cause;
      },
    });
    tracks.begin(recorder);
  });
  afterEach(async () => {
    await recorder.stop();
    rmSync(directory, { recursive: true });
  });

  function publish(publicationId: string, payloadType?: number): void {
    publications.set(publicationId, publicationOf(publicationId));
    tracks.subscribed(subscriptionOf(publicationId, payloadType));
  }
  function send(publicationId: string, stream: RtpStream, count: number): void {
    for (let sent = 0; sent < count; sent++) {
      const { packet, start } = rtpPacket(stream, { marker: false, payloadBytes: 20 });
      packet[start] = opusFrame;
      tracks.packet(publicationId, packet);
      stream.timestamp += 960;
    }
  }
  const stream = (ssrc: number, payloadType = 111): RtpStream => ({ ssrc, payloadType, sequence: 1, timestamp: 0 });
  /** Frames of each file of a publication. */
  const framesOf = async (publicationId: string): Promise<number[]> => {
    await recorder.stop();
    const { tracks: written } = (await readManifest(directory))!;
    return written.find((track) => track.publicationId === publicationId)?.parts.map(({ frames }) => frames) ?? [];
  };

  test('another SSRC of a publication continues its file', async () => {
    publish('pub_1');
    send('pub_1', stream(1), 10);
    tracks.subscribed(subscriptionOf('pub_1'));
    send('pub_1', stream(2), 5);
    expect(await framesOf('pub_1')).toEqual([15]);
  });

  test('another payload type of a publication begins a file', async () => {
    publish('pub_1');
    send('pub_1', stream(1), 10);
    tracks.subscribed(subscriptionOf('pub_1', 100));
    send('pub_1', stream(2, 100), 5);
    expect(await framesOf('pub_1')).toEqual([10, 5]);
  });

  test('a publication above the maximum is left out by name, once', async () => {
    for (const id of ['pub_1', 'pub_2', 'pub_3']) {
      publish(id);
      send(id, stream(1), 3);
    }
    expect([...tracks.leftOut]).toEqual([['pub_3', 'TOO_MANY_TRACKS']]);
    expect(errors.map(({ code }) => code)).toEqual(['TOO_MANY_TRACKS']);
    expect(await framesOf('pub_2')).toEqual([3]);
    expect(await framesOf('pub_3')).toEqual([]);
  });

  test('a publication with a codec that is not recorded is left out by name, until it ends', () => {
    const vp9 = publicationOf('pub_9', 'video/VP9');
    tracks.checkCodecs([vp9, publicationOf('pub_1')]);
    tracks.checkCodecs([vp9]);
    expect(errors.map(({ code, message }) => [code, message.includes('video/VP9')])).toEqual([
      ['CODEC_UNSUPPORTED', true],
    ]);
    tracks.ended('pub_9');
    expect(tracks.leftOut.size).toBe(0);
  });

  test('a publication whose codec is replaced by one that is recorded is not left out any more', async () => {
    tracks.checkCodecs([publicationOf('pub_1', 'audio/PCMU')]);
    expect([...tracks.leftOut.values()]).toEqual(['CODEC_UNSUPPORTED']);
    publish('pub_1');
    send('pub_1', stream(1), 3);
    expect(tracks.leftOut.size).toBe(0);
    expect(await framesOf('pub_1')).toEqual([3]);
  });

  test('a publication whose replaced codec is announced after its subscription is recorded', async () => {
    const stale = publicationOf('pub_1', 'audio/PCMU');
    publish('pub_1');
    tracks.checkCodecs([stale]);
    send('pub_1', stream(1), 3);
    expect(tracks.leftOut.size).toBe(0);
    tracks.checkCodecs([stale]);
    tracks.checkCodecs([publicationOf('pub_1')]);
    expect(tracks.leftOut.size).toBe(0);
    expect(await framesOf('pub_1')).toEqual([3]);
  });

  test('a publication that cannot be subscribed to is left out by name until it can', async () => {
    publish('pub_1');
    const failed = new Map([['pub_1', new Error('the node has failed')]]);
    for (let check = 0; check < 2; check++) tracks.checkSubscriptions(failed);
    expect([...tracks.leftOut]).toEqual([['pub_1', 'SUBSCRIPTION_FAILED']]);
    expect(errors.map(({ code, message }) => [code, message.includes('the node has failed')])).toEqual([
      ['SUBSCRIPTION_FAILED', true],
    ]);
    tracks.checkSubscriptions(new Map());
    expect(tracks.leftOut.size).toBe(0);
    tracks.checkSubscriptions(failed);
    send('pub_1', stream(1), 3);
    expect(tracks.leftOut.size).toBe(0);
    expect(await framesOf('pub_1')).toEqual([3]);
  });

  test('the previous SSRC of a publication continues its file at once when the new one has ended', async () => {
    publish('pub_1');
    const [previous, next] = [stream(1), stream(2)];
    send('pub_1', previous, 3);
    send('pub_1', next, 2);
    tracks.streamEnded('pub_1', 2);
    send('pub_1', previous, 4);
    expect(await framesOf('pub_1')).toEqual([9]);
  });

  test('a publication that ended while the recording was not in the room has ended, and the others continue', async () => {
    publish('pub_1');
    publish('pub_2');
    send('pub_1', stream(1), 3);
    const continued = stream(2);
    send('pub_2', continued, 3);
    publications.delete('pub_1');
    tracks.retain(publications);
    expect(['pub_1', 'pub_2'].map((id) => tracks.isOpen(id, 'audio/opus'))).toEqual([false, true]);
    send('pub_1', stream(1), 3);
    send('pub_2', continued, 3);
    expect(await framesOf('pub_1')).toEqual([3]);
    expect(await framesOf('pub_2')).toEqual([6]);
  });

  test('after the end of the recording, only what was left out is kept', () => {
    publish('pub_1');
    send('pub_1', stream(1), 3);
    tracks.checkCodecs([publicationOf('pub_9', 'video/VP9')]);
    tracks.close();
    expect(tracks.isOpen('pub_1', 'audio/opus')).toBe(false);
    expect([...tracks.leftOut.keys()]).toEqual(['pub_9']);
    tracks.subscribed(subscriptionOf('pub_1'));
    send('pub_1', stream(1), 3);
    expect(tracks.isOpen('pub_1', 'audio/opus')).toBe(false);
  });

  test('a packet after the end of the recording is ignored', async () => {
    publish('pub_1');
    publish('pub_2');
    send('pub_1', stream(1), 3);
    await recorder.stop();
    send('pub_1', stream(1), 3);
    send('pub_2', stream(2), 3);
    expect(await framesOf('pub_1')).toEqual([3]);
    expect(errors).toEqual([]);
  });
});

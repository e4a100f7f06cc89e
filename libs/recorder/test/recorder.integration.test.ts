import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RtpPacket } from '@flotilla/rtp';
import { notYet, waitFor } from '@flotilla/testkit/signal';
import { afterAll, describe, expect, it } from 'vitest';
import { type ManifestTrack, Recorder, type RecordingManifest } from '../src/index.ts';
import { type PictureCodec, pictureCodecs, sendClip } from './clip.ts';
import { onsets, pictures, probe, sounds } from './media-file.ts';
import { Receiver, startsH264KeyFrame, startsVp8KeyFrame } from './receiver.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-recorder-'));
afterAll(() => rmSync(directory, { recursive: true }));

const [videoType, audioType] = [96, 111];
const muteMs = 1500;
/** Perceptible from 45 ms of sound ahead of the picture on (ITU-R BT.1359). */
const maxOffsetMs = 40;

interface Recording {
  readonly manifest: RecordingManifest;
  readonly folder: string;
  readonly lost: number;
}

/** Records two clips, from different SSRCs: 4 % of the packets are lost, and the first one is muted for a while. */
async function recordCall(codec: PictureCodec, startsKeyFrame: (packet: RtpPacket) => boolean): Promise<Recording> {
  const folder = join(directory, codec.mimeType.replace('/', '-'));
  const recorder = await Recorder.start({ directory: folder, recordingId: 'rec_1', roomId: 'rm_1' });
  const [video, audio] = await Promise.all([
    Receiver.open(
      recorder.record({
        ...{ publicationId: 'pub_video', participantId: 'pt_1', kind: 'video' },
        codec: { mimeType: codec.mimeType, clockRate: 90_000, payloadType: videoType },
      }),
      90_000,
      startsKeyFrame,
    ),
    Receiver.open(
      recorder.record({
        ...{ publicationId: 'pub_audio', participantId: 'pt_1', kind: 'audio' },
        codec: { mimeType: 'audio/opus', clockRate: 48_000, payloadType: audioType, channels: 2 },
      }),
      48_000,
      () => true,
    ),
  ]);
  const clip = (ssrc: number, seconds: number, size: string) =>
    sendClip({
      ...{ codec, seconds, size, startMs: Date.now() },
      video: { ssrc, payloadType: videoType, ...video.ports },
      audio: { ssrc: ssrc + 1, payloadType: audioType, ...audio.ports },
    });
  const lose = (share: number) => (video.loss = audio.loss = share);
  const frames = async (count: number) => {
    const all = () => recorder.manifest.tracks.map(({ parts }) => parts[0]?.frames ?? 0);
    const before = all();
    await waitFor(
      `${count} frames`,
      () => all().every((now, at) => now >= before[at]! + count) || notYet(String(all())),
    );
  };
  lose(0.01);
  const first = clip(1000, 6, '320x240');
  await frames(30);
  // The mute is not to begin in the wait for a key frame.
  lose(0);
  await frames(5);
  await Promise.all([video.mute(muteMs), audio.mute(muteMs)]);
  await frames(5);
  lose(0.01);
  expect(await first.exited).toBe(0);
  const second = clip(2000, 3, '480x360');
  expect(await second.exited).toBe(0);
  const manifest = await recorder.stop();
  for (const one of [video, audio]) one.close();
  return { manifest, folder, lost: video.lost };
}

/** The times of flashes or beeps on the clock of the manifest. */
async function onsetsOf(track: ManifestTrack, folder: string): Promise<number[]> {
  const all = await Promise.all(
    track.parts.map(async ({ file, startMs }) => {
      const path = join(folder, file);
      const decoded = track.kind === 'video' ? await pictures(path) : await sounds(path);
      // A decoder that misses a reference complains.
      if (track.kind === 'video') expect(decoded.errors).toBe('');
      return onsets(decoded.values, track.kind === 'video' ? 150 : -30).map((atMs) => startMs + atMs);
    }),
  );
  return all.flat();
}

describe.concurrent('a recording of a clip that ffmpeg sends by RTP, with loss, a mute and another SSRC', () => {
  it.each([
    { codec: pictureCodecs.vp8, format: 'matroska,webm', name: 'vp8', startsKeyFrame: startsVp8KeyFrame },
    { codec: pictureCodecs.h264, format: 'mp4', name: 'h264', startsKeyFrame: startsH264KeyFrame },
  ])(
    'has flash and beep of $name and Opus within 40 ms, and the mute as a gap',
    async ({ codec, format, name, startsKeyFrame }) => {
      const { manifest, folder, lost } = await recordCall(codec, startsKeyFrame);
      expect(lost).toBeGreaterThan(0);
      const [video, audio] = manifest.tracks;
      expect(manifest.state).toBe('complete');
      expect(video!.parts).toHaveLength(1);
      expect(audio!.parts).toHaveLength(1);
      for (const { parts, kind } of manifest.tracks) {
        const [part] = parts;
        expect(part!.sources).toEqual(kind === 'video' ? [1000, 2000] : [1001, 2001]);
        expect(part).toMatchObject({ state: 'complete', clock: 'sender report' });
        expect(part!.gaps).toContainEqual(expect.objectContaining({ reason: 'no packets' }));
        const gap = part!.gaps.find(({ reason }) => reason === 'no packets')!;
        expect(gap.toMs - gap.fromMs).toBeGreaterThan(muteMs - 50);
        const found = await probe(join(folder, part!.file));
        expect(found.codec).toBe(kind === 'video' ? name : 'opus');
        expect(found.format).toContain(kind === 'video' ? format : 'matroska,webm');
        expect(found.packetsMs).toHaveLength(part!.frames);
        expect(found.packetsMs).toEqual(found.packetsMs.toSorted((a, b) => a - b));
        // Never stretched: the gap is in the times of the file too.
        const [from, to] = [gap.fromMs - part!.startMs, gap.toMs - part!.startMs];
        expect(found.packetsMs.filter((at) => at > from + 5 && at < to - 5)).toEqual([]);
      }
      const [flashes, beeps] = await Promise.all([onsetsOf(video!, folder), onsetsOf(audio!, folder)]);
      const offsets = flashes.map(
        (flash) => beeps.map((beep) => beep - flash).sort((a, b) => Math.abs(a) - Math.abs(b))[0]!,
      );
      console.log(name, {
        lost,
        gaps: video!.parts[0]!.gaps.length,
        frames: video!.parts[0]!.frames,
        offsets: offsets.map(Math.round),
      });
      const paired = offsets.filter((offset) => Math.abs(offset) < 500);
      expect(paired.length).toBeGreaterThanOrEqual(4);
      for (const offset of paired) expect(Math.abs(offset)).toBeLessThanOrEqual(maxOffsetMs);
    },
  );
});

import { describe, expect, test } from 'vitest';
import { Emitter } from '../src/room/emitter.ts';
import { producerOptions } from '../src/media/encodings.ts';
import { qualityLevel, StatsSampler } from '../src/media/quality.ts';

class Bell extends Emitter<{ ring: [times: number] }> {
  ring(times: number): void {
    this.emit('ring', times);
  }
}

describe('Emitter', () => {
  test('calls listeners until they are removed, also after one that throws', () => {
    const bell = new Bell();
    const received: string[] = [];
    const reported: unknown[] = [];
    Object.assign(globalThis, { reportError: (error: unknown) => reported.push(error) });
    bell.on('ring', () => {
      throw new Error('mine');
    });
    const stop = bell.on('ring', (times) => received.push(`on ${times}`));
    bell.once('ring', (times) => received.push(`once ${times}`));
    bell.ring(1);
    bell.ring(2);
    stop();
    bell.ring(3);
    expect(received).toEqual(['on 1', 'once 1', 'on 2']);
    expect(reported).toHaveLength(3);
  });
});

describe('reception statistics', () => {
  test('the quality level falls with loss, jitter and round-trip time', () => {
    expect(qualityLevel({ loss: 0, jitterMs: 2 }, 20)).toBe(4);
    expect(qualityLevel({ loss: 0.03, jitterMs: 20 }, 100)).toBe(3);
    expect(qualityLevel({ loss: 0.08, jitterMs: 30 }, 100)).toBe(2);
    expect(qualityLevel({ loss: 0.2, jitterMs: 100 }, 500)).toBe(1);
  });

  test('rates are computed from two samples of the counters', async () => {
    const report = (timestamp: number, bytesReceived: number, packetsReceived: number, packetsLost: number) =>
      new Map([
        [
          'i',
          {
            id: 'i',
            type: 'inbound-rtp',
            trackIdentifier: 't',
            timestamp,
            bytesReceived,
            packetsReceived,
            packetsLost,
            jitter: 0.01,
          },
        ],
      ]);
    const reports = [report(1000, 0, 0, 0), report(2000, 12_500, 90, 10)];
    const link = { stats: async () => ({ sent: new Map(), received: reports.shift() }) };
    const sampler = new StatsSampler();
    const sample = () => sampler.sample(link as never, (track) => (track === 't' ? 'pub_a' : undefined));
    expect((await sample()).received.get('pub_a')).toBeUndefined();
    expect((await sample()).received.get('pub_a')).toMatchObject({ bitrate: 100_000, loss: 0.1, jitterMs: 10 });
  });
});

describe('producerOptions', () => {
  const device = { sendRtpCapabilities: { codecs: [{ mimeType: 'video/VP8' }, { mimeType: 'video/VP9' }] } } as never;
  const track = (kind: string, height?: number) =>
    ({ kind, getSettings: () => ({ height }) }) as unknown as MediaStreamTrack;

  test('a camera gets fewer simulcast layers the lower its resolution', () => {
    expect(producerOptions(device, track('video', 720), 'camera').encodings).toHaveLength(3);
    expect(producerOptions(device, track('video', 360), 'camera').encodings).toHaveLength(2);
    expect(producerOptions(device, track('video', 180), 'camera').encodings).toHaveLength(1);
  });

  test('VP9 gets one stream with spatial layers, and a screen one layer', () => {
    expect(producerOptions(device, track('video', 720), 'camera', 'vp9')).toMatchObject({
      codec: { mimeType: 'video/VP9' },
      encodings: [{ scalabilityMode: 'L3T3_KEY' }],
    });
    expect(producerOptions(device, track('video', 1080), 'screen').encodings).toHaveLength(1);
  });

  test('a microphone gets error correction and DTX, and screen audio stereo without DTX', () => {
    expect(producerOptions(device, track('audio'), 'microphone').codecOptions).toMatchObject({
      opusFec: true,
      opusDtx: true,
    });
    expect(producerOptions(device, track('audio'), 'screen_audio').codecOptions).toMatchObject({
      opusDtx: false,
      opusStereo: true,
    });
  });
});

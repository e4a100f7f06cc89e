/** Runs in call pages: paints a counter into the video, publishes it as metadata, and reads both at a receiver. */
import type { Room } from '@flotilla/client';
import type { Page } from 'playwright-core';

/** Bits of the counter, each a square. A second row has the complement, to detect garbled frames. */
const bits = 16;
const topic = 'counter';

/** A delivered message. */
export interface Delivered {
  readonly n: number;
  /** Undefined: without a frame. */
  readonly alignmentMs: number | undefined;
}

/** A presented frame. */
export interface Presented {
  /** The counter in the frame of the callback, matched by RTP timestamp; undefined when it could not be read. */
  readonly painted: number | undefined;
  /** The counter in the frame that the element draws during the callback, which may be newer. */
  readonly drawable: number | undefined;
  /** The newest counter delivered as metadata by the end of the frame's callbacks. */
  readonly delivered: number | undefined;
  /** Alignment error of that message, if it was delivered with this frame. */
  readonly alignmentMs: number | undefined;
}

export interface Measured {
  readonly frames: readonly Presented[];
  readonly messages: readonly Delivered[];
}

declare global {
  var takeMeasured: () => Promise<Measured>;
  interface VideoFrame {
    /** WebCodecs VideoFrame Metadata Registry. */
    metadata(): { readonly rtpTimestamp?: number };
  }
  /** Chromium's (MediaStreamTrack Insertable Media Processing using Streams), which TypeScript does not know yet. */
  class MediaStreamTrackProcessor {
    constructor(init: { track: MediaStreamTrack; maxBufferSize: number });
    readonly readable: ReadableStream<VideoFrame>;
  }
}

/** Replaces the camera by a canvas with a counter, and publishes the counter with its capture time. */
export async function paintCounter(page: Page, framesPerSecond: number): Promise<void> {
  await page.evaluate(
    async ([bits_, topic_, fps]) => {
      const { room } = globalThis.flotilla as unknown as { room: Room };
      await room.metadata.ready();
      const canvas = document.createElement('canvas');
      canvas.width = 640;
      canvas.height = 360;
      const context = canvas.getContext('2d')!;
      const side = canvas.width / bits_;
      const [track] = canvas.captureStream(0).getVideoTracks() as [CanvasCaptureMediaStreamTrack];
      let n = 0;
      setInterval(() => {
        n = (n + 1) % 2 ** bits_;
        for (let bit = 0; bit < bits_; bit++) {
          for (const row of [0, 1]) {
            context.fillStyle = ((n >> bit) & 1) === row ? '#000' : '#fff';
            context.fillRect(bit * side, (row * canvas.height) / 2, side, canvas.height / 2);
          }
        }
        const captureTime = room.metadata.timeOf(performance.now());
        track.requestFrame();
        void room.metadata.publish(topic_, { n }, { captureTime });
      }, 1000 / fps);
      const camera = [...room.publications.values()].find(({ source }) => source === 'camera')!;
      await camera.replaceTrack(track);
    },
    [bits, topic, framesPerSecond] as const,
  );
}

/** Subscribes to the counter, aligned to frames, and reads the frames. `takeMeasured` then returns the measurements since its last call. */
export async function watchCounter(page: Page): Promise<void> {
  await page.evaluate(
    async ([bits_, topic_]) => {
      interface Shown {
        rtpTimestamp: number;
        drawable: Promise<number | undefined> | undefined;
        delivered: number | undefined;
        alignmentMs: number | undefined;
      }
      const { room } = globalThis.flotilla as unknown as { room: Room };
      const painted = new Map<number, number | undefined>();
      let shown: Shown[] = [];
      let messages: { n: number; alignmentMs: number | undefined }[] = [];
      let delivered: number | undefined;
      let alignmentMs: number | undefined;

      /** The counter in a frame; closes it. */
      const read = async (frame: VideoFrame): Promise<number | undefined> => {
        const width = frame.visibleRect!.width;
        const rows = [0.25, 0.75].map((share) => 2 * Math.floor((frame.visibleRect!.height * share) / 2));
        const values: number[] = [];
        try {
          for (const y of rows) {
            const rect = { x: 0, y, width, height: 2 };
            const plane = new Uint8Array(frame.allocationSize({ rect }));
            // The first plane is luminance, whatever the format of the others.
            const [{ offset }] = (await frame.copyTo(plane, { rect })) as [PlaneLayout];
            let value = 0;
            for (let bit = 0; bit < bits_; bit++)
              if (plane[offset + Math.floor(((bit + 0.5) * width) / bits_)]! > 127) value |= 1 << bit;
            values.push(value);
          }
        } finally {
          frame.close();
        }
        const [n, complement] = values as [number, number];
        return (n ^ complement) === 2 ** bits_ - 1 ? n : undefined;
      };

      // Associates all callbacks, including those of the SDK, with their frames.
      // It is called with its element below.
      // eslint-disable-next-line typescript/unbound-method
      const request = HTMLVideoElement.prototype.requestVideoFrameCallback;
      HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {
        return request.call(this, (now, metadata) => {
          callback(now, metadata);
          const { rtpTimestamp } = metadata;
          if (rtpTimestamp === undefined) return;
          const last = shown.at(-1);
          if (last?.rtpTimestamp === rtpTimestamp)
            Object.assign(last, { delivered, alignmentMs: alignmentMs ?? last.alignmentMs });
          else {
            const drawable = read(new VideoFrame(this)).catch(() => undefined);
            shown.push({ rtpTimestamp, delivered, alignmentMs, drawable });
          }
          alignmentMs = undefined;
        });
      };

      const process = async (track: MediaStreamTrack): Promise<void> => {
        const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: 30 });
        for (const reader = readable.getReader(); ;) {
          const { value: frame } = await reader.read();
          if (!frame) return;
          const { rtpTimestamp } = frame.metadata();
          const n = await read(frame).catch(() => undefined);
          if (rtpTimestamp !== undefined) painted.set(rtpTimestamp, n);
        }
      };
      for (const { publications } of room.participants.values())
        for (const { kind, track } of publications.values()) if (kind === 'video' && track) void process(track);
      room.on('trackChanged', ({ kind, track }) => {
        if (kind === 'video' && track) void process(track);
      });

      globalThis.takeMeasured = async () => {
        const [frames, taken] = [shown, messages];
        [shown, messages] = [[], []];
        // Waits for the asynchronous reading of the last frames.
        await new Promise((resolve) => setTimeout(resolve, 500));
        return {
          messages: taken,
          frames: await Promise.all(
            frames.map(async ({ rtpTimestamp, drawable, ...frame }) => ({
              ...frame,
              painted: painted.get(rtpTimestamp),
              drawable: await drawable,
            })),
          ),
        };
      };

      await room.metadata.subscribe(
        topic_,
        (message) => {
          const { n } = message.json() as { n: number };
          delivered = n;
          ({ alignmentMs } = message);
          messages.push({ n, alignmentMs: message.alignmentMs });
        },
        { align: 'frame' },
      );
    },
    [bits, topic] as const,
  );
}

import {
  AppendOnlyStreamTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedVideoPacketSource,
  Mp4OutputFormat,
  Output,
  WebMOutputFormat,
} from 'mediabunny';
import { AppendFile } from './append-file.ts';
import type { CodecFormat, DecoderConfig } from './codec-formats.ts';

/** Clusters of WebM are written frame by frame, and begin with a key frame where there is one. */
const clusterSeconds = 1;
/**
 * A fragment of MP4 is written when the next one begins, at each key frame. A longer minimum would put several key frames into a
 * fragment, of which mediabunny 1.61 marks only the first.
 */
const fragmentSeconds = 0;

/** A frame with its own copy of the data. */
export interface WrittenFrame {
  readonly data: Uint8Array;
  readonly isKeyFrame: boolean;
  /** Since the first frame of the part. */
  readonly timestampMs: number;
  readonly durationMs: number;
}

/** Writes the frames of one track to one file: WebM in clusters or fragmented MP4, append-only. */
export class PartWriter {
  readonly #output: Output;
  readonly #source: EncodedVideoPacketSource | EncodedAudioPacketSource;
  #decoderConfig: DecoderConfig | undefined;
  /** Settles after the writes so far, and never rejects. */
  #writes: Promise<void> = Promise.resolve();
  #queuedBytes = 0;
  #hasFailed = false;

  readonly #file: AppendFile;

  /**
   * Creates the file.
   *
   * @param handlers one of them is called, once, when writing failed: nothing more is written then.
   * @throws Error when it cannot be created, or exists.
   */
  constructor(
    path: string,
    format: CodecFormat,
    decoderConfig: DecoderConfig,
    private readonly handlers: {
      /** The file cannot be written. */
      readonly onDiskError: (error: Error) => void;
      /** A frame cannot be put into the container. */
      readonly onFormatError: () => void;
    },
  ) {
    this.#file = new AppendFile(path);
    const { parameterSets: _, ...webCodecsConfig } = decoderConfig;
    this.#decoderConfig = webCodecsConfig;
    const stream = new WritableStream<Uint8Array>({
      write: async (bytes) => {
        try {
          await this.#file.append(bytes);
        } catch (error) {
          this.#fail(() => handlers.onDiskError(error as Error));
          throw error;
        }
      },
    });
    const container =
      format.container === 'webm'
        ? new WebMOutputFormat({ appendOnly: true, minimumClusterDuration: clusterSeconds })
        : new Mp4OutputFormat({ fastStart: 'fragmented', minimumFragmentDuration: fragmentSeconds });
    this.#output = new Output({ format: container, target: new AppendOnlyStreamTarget(stream) });
    if (format.kind === 'video') {
      const source = new EncodedVideoPacketSource(format.name);
      this.#output.addVideoTrack(source);
      this.#source = source;
    } else {
      const source = new EncodedAudioPacketSource(format.name);
      this.#output.addAudioTrack(source);
      this.#source = source;
    }
    this.#enqueue(() => this.#output.start());
  }

  /** Bytes in the file. */
  get bytes(): number {
    return this.#file.bytes;
  }

  /** Bytes of the frames that have been added and not been accepted by the muxer. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  add(frame: WrittenFrame): void {
    if (this.#hasFailed) return;
    const meta = this.#decoderConfig && { decoderConfig: this.#decoderConfig };
    this.#decoderConfig = undefined;
    this.#queuedBytes += frame.data.length;
    this.#enqueue(async () => {
      this.#queuedBytes -= frame.data.length;
      const packet = new EncodedPacket(
        frame.data,
        frame.isKeyFrame ? 'key' : 'delta',
        frame.timestampMs / 1000,
        frame.durationMs / 1000,
      );
      await this.#source.add(packet, meta as EncodedVideoChunkMetadata & EncodedAudioChunkMetadata);
    });
  }

  #enqueue(work: () => Promise<void>): void {
    this.#writes = this.#writes.then(async () => {
      if (this.#hasFailed) return;
      try {
        await work();
      } catch {
        // An error of the disk has been reported by then.
        this.#fail(this.handlers.onFormatError);
      }
    });
  }

  /** Ends the file. Resolves when it is on disk, to its SHA-256 and whether all of it could be written. */
  async close(): Promise<{ sha256: string; isComplete: boolean }> {
    this.#enqueue(() => this.#output.finalize());
    await this.#writes;
    if (this.#hasFailed) await this.#output.cancel().catch(() => undefined);
    const sha256 = await this.#file.close();
    return { sha256, isComplete: !this.#hasFailed };
  }

  #fail(report: () => void): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    report();
  }
}

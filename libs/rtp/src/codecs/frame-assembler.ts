import type { Depacketizer, DepacketizerHandlers, DepacketizerOptions } from '../frame.ts';
import type { RtpPacket } from '../packet.ts';
import { sequenceDistance, timestampDistance } from '../sequence.ts';
import { FrameBuffer } from './frame-buffer.ts';

const defaultMaxFrameBytes = 4 * 2 ** 20;

/**
 * What the depacketisers of video share: where frames begin and end, and what is lost. Packets come in the order of their sequence
 * numbers; duplicates and late ones are skipped. After a loss, everything up to the next complete key frame is dropped, because
 * the frames in between refer to what is missing.
 */
export abstract class FrameAssembler implements Depacketizer {
  protected readonly frame: FrameBuffer;
  /** Whether a packet of the current frame belongs to a key frame. */
  protected isKeyFrame = false;
  droppedFrames = 0;
  malformedPackets = 0;
  readonly #deliversIncomplete: boolean;
  #sequence: number | undefined;
  #timestamp: number | undefined;
  #hasPackets = false;
  #isBroken = false;
  #awaitsKeyFrame = true;

  constructor(
    private readonly handlers: DepacketizerHandlers,
    { maxFrameBytes = defaultMaxFrameBytes, deliversIncomplete = false }: DepacketizerOptions = {},
  ) {
    this.frame = new FrameBuffer(maxFrameBytes);
    this.#deliversIncomplete = deliversIncomplete;
  }

  /** Packets of the current frame are missing. */
  protected get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Whether a packet is certainly the first one of a frame, so that a loss before it did not touch that frame. */
  protected abstract startsFrame(packet: RtpPacket): boolean;
  /** Appends the payload of a packet. Returns false when it is malformed, or does not continue the one before. */
  protected abstract append(packet: RtpPacket, isFirst: boolean): boolean;
  /** Drops what the frame has of a unit that cannot be completed. */
  protected abstract onBreak(): void;
  /** Whether no unit is open at the end of the frame. */
  protected abstract isWhole(): boolean;
  push(packet: RtpPacket): void {
    const { sequenceNumber, timestamp } = packet;
    const ahead = this.#sequence === undefined ? undefined : sequenceDistance(this.#sequence, sequenceNumber);
    if (ahead !== undefined && ahead <= 0) return;
    this.#sequence = sequenceNumber;
    // The first packet of a stream may be in the middle of a frame too.
    if (ahead !== 1) this.#onLoss(packet);
    // Padding of bandwidth probes belongs to no frame.
    if (packet.payloadBytes === 0) return;
    if (this.#hasPackets && timestamp !== this.#timestamp) this.#end();
    const isFirst = !this.#hasPackets;
    this.#hasPackets = true;
    this.#timestamp = timestamp;
    if (isFirst && this.#isBroken && this.startsFrame(packet)) this.#isBroken = false;
    if (!this.#isBroken || this.#deliversIncomplete) {
      if (!this.append(packet, isFirst)) {
        this.malformedPackets++;
        this.#break();
      }
    }
    if (packet.marker) this.#end();
  }

  #onLoss(packet: RtpPacket): void {
    const isSameFrame = this.#hasPackets && timestampDistance(this.#timestamp!, packet.timestamp) === 0;
    if (this.#hasPackets && !isSameFrame) {
      this.#break();
      this.#end();
    }
    this.#break();
  }

  #break(): void {
    this.#isBroken = true;
    this.onBreak();
    this.#requireKeyFrame();
  }

  #requireKeyFrame(): void {
    this.#awaitsKeyFrame = true;
    this.handlers.onKeyFrameNeeded?.();
  }

  #end(): void {
    if (!this.#isBroken && !this.isWhole()) this.#break();
    const isComplete = !this.#isBroken;
    if (isComplete && this.isKeyFrame) this.#awaitsKeyFrame = false;
    const isDecodable = isComplete && !this.#awaitsKeyFrame;
    if (isDecodable || (this.#deliversIncomplete && this.frame.length > 0)) {
      this.handlers.onFrame({
        data: this.frame.content(),
        rtpTimestamp: this.#timestamp!,
        isKeyFrame: this.isKeyFrame && isComplete,
        isComplete,
      });
    } else {
      this.droppedFrames++;
      // Asks again for each frame, for the first request may be lost too.
      if (isComplete) this.#requireKeyFrame();
    }
    this.frame.truncate(0);
    this.isKeyFrame = false;
    this.#isBroken = false;
    this.#hasPackets = false;
  }
}

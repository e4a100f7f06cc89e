import type { MetadataMessage, Room } from '@flotilla/client';
import { boxesTopic, parseBoxes, type ShapeBox } from './boxes.ts';

/** Boxes of the current frame. `alignmentMs` is undefined when no frame matched. */
export interface FrameBoxes {
  readonly participantId: string;
  readonly boxes: readonly ShapeBox[];
  readonly alignmentMs: number | undefined;
}

/** Subscribes to boxes while a participant publishes a video that has them. */
export class BoxWatch {
  #stop: Promise<() => void> | undefined;

  constructor(
    private readonly room: Room,
    private readonly onBoxes: (boxes: FrameBoxes) => void,
  ) {}

  /** To be called when publications changed. */
  update(): void {
    const needed = [...this.room.participants.values()].some((each) => each.find('camera')?.label === boxesTopic);
    if (needed === (this.#stop !== undefined)) return;
    if (!needed) return this.stop();
    const stop = this.room.metadata.subscribe(boxesTopic, (message) => this.#onMessage(message), { align: 'frame' });
    this.#stop = stop;
    // No relay, or no grant: videos are shown without boxes. The next update tries again.
    stop.catch(() => this.#stop === stop && (this.#stop = undefined));
  }

  #onMessage(message: MetadataMessage): void {
    let data: unknown;
    try {
      data = message.json();
    } catch {
      return;
    }
    const boxes = parseBoxes(data);
    const { participantId, alignmentMs } = message;
    if (boxes) this.onBoxes({ participantId, boxes, alignmentMs });
  }

  stop(): void {
    this.#stop?.then((stop) => stop()).catch(() => undefined);
    this.#stop = undefined;
  }
}

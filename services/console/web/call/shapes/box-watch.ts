import type { MetadataMessage, Room } from '@flotilla/client';
import { boxesTopic, parseBoxes, type ShapeBox } from './boxes.ts';

/** Boxes of the frame that is on the screen. `alignmentMs` is undefined when there was no frame for them. */
export interface FrameBoxes {
  readonly participantId: string;
  readonly boxes: readonly ShapeBox[];
  readonly alignmentMs: number | undefined;
}

/** Receives boxes for as long as somebody publishes video that has some. */
export class BoxWatch {
  #stop: Promise<() => void> | undefined;

  constructor(
    private readonly room: Room,
    private readonly onBoxes: (boxes: FrameBoxes) => void,
  ) {}

  /** To be called when publications changed. */
  look(): void {
    const wanted = [...this.room.participants.values()].some((each) => each.find('camera')?.label === boxesTopic);
    if (wanted === (this.#stop !== undefined)) return;
    if (!wanted) return this.stop();
    const stop = this.room.metadata.subscribe(boxesTopic, (message) => this.#take(message), { align: 'frame' });
    this.#stop = stop;
    // No relay, or no leave to: pictures are shown without boxes, until somebody comes or goes.
    stop.catch(() => this.#stop === stop && (this.#stop = undefined));
  }

  #take(message: MetadataMessage): void {
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

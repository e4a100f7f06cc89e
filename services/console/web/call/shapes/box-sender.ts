import { FlotillaError, type Room } from '@flotilla/client';
import { boxesTopic, packBoxes, type ShapeBox } from './boxes.ts';

/** Publishes the boxes of frames. Boxes are dropped until the fleet's clock is synchronised. */
export class BoxSender {
  #ready = false;

  constructor(
    private readonly room: Room,
    private readonly problem: (text: string) => void,
  ) {
    room.metadata.ready().then(
      () => (this.#ready = true),
      (error: unknown) => this.#fail(error),
    );
  }

  /** @param capturedAt by `performance.now` */
  send(boxes: readonly ShapeBox[], capturedAt: number): void {
    if (!this.#ready) return;
    const { metadata } = this.room;
    metadata
      .publish(boxesTopic, packBoxes(boxes), { captureTime: metadata.timeOf(capturedAt) })
      .catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#ready = false;
    const { code, message } = FlotillaError.from(error);
    // NOT_IN_ROOM: the user has left.
    if (code !== 'NOT_IN_ROOM') this.problem(`The boxes could not be sent: ${message} (${code})`);
  }
}

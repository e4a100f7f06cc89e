import type { RemotePublication, Room } from '@flotilla/client';
import type { Box } from './grid-layout.ts';
import type { PersonTile } from './tile-model.ts';

/** Collects changes of tile sizes, such as while a window is dragged, before the SFU is asked. */
const delayMs = 400;

/** Simulcast layers of a camera have 180, 360 and 720 lines. */
function layerFor(tileHeight: number): number {
  const lines = tileHeight * devicePixelRatio;
  return lines <= 240 ? 0 : lines <= 480 ? 1 : 2;
}

/** Requests for each camera the lowest simulcast layer that fills its tile, which saves bandwidth and decoding. */
export class LayerControl {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #plan: () => void = () => undefined;
  /** Layer requested for each track; a new track starts with the highest. */
  #requested = new WeakMap<MediaStreamTrack, number>();

  plan(room: Room, tiles: readonly PersonTile[], boxes: readonly Box[]): void {
    this.#plan = () => {
      for (const [index, { id }] of tiles.entries()) {
        const camera = room.participants.get(id)?.find('camera');
        const height = boxes[index]?.height ?? 0;
        if (camera && height > 0) this.#request(camera, layerFor(height));
      }
    };
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#plan();
    }, delayMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #request(camera: RemotePublication, spatial: number): void {
    const { track } = camera;
    if (!track || (this.#requested.get(track) ?? 2) === spatial) return;
    this.#requested.set(track, spatial);
    // A failed request is repeated at the next plan.
    camera.setLayers({ spatial }).catch(() => this.#requested.delete(track));
  }
}

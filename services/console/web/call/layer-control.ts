import type { RemotePublication, Room } from '@flotilla/client';
import type { Box } from './grid-layout.ts';
import type { PersonTile } from './tile-model.ts';

/** Tiles change size while somebody drags a window; the server is asked a little later. */
const delayMs = 400;

/** A camera's layers are a quarter, a half and the whole of 720 lines. */
function layerFor(tileHeight: number): number {
  const lines = tileHeight * devicePixelRatio;
  return lines <= 240 ? 0 : lines <= 480 ? 1 : 2;
}

/** Asks for no more of each camera than its tile can show: it spares the network, and most of all the decoder. */
export class LayerControl {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #plan: () => void = () => undefined;
  /** What was asked for of each track, which begins with all layers. */
  #asked = new WeakMap<MediaStreamTrack, number>();

  plan(room: Room, tiles: readonly PersonTile[], boxes: readonly Box[]): void {
    this.#plan = () => {
      for (const [index, { id }] of tiles.entries()) {
        const camera = room.participants.get(id)?.find('camera');
        const height = boxes[index]?.height ?? 0;
        if (camera && height > 0) this.#ask(camera, layerFor(height));
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

  #ask(camera: RemotePublication, spatial: number): void {
    const { track } = camera;
    if (!track || (this.#asked.get(track) ?? 2) === spatial) return;
    this.#asked.set(track, spatial);
    // Asked again at the next plan.
    camera.setLayers({ spatial }).catch(() => this.#asked.delete(track));
  }
}

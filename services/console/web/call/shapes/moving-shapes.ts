import { type ShapeBox, shapes, type Shape } from './boxes.ts';

const size = { width: 640, height: 360 };
const framesPerSecond = 25;

interface Body {
  readonly shape: Shape;
  readonly colour: string;
  readonly radius: number;
  /** Centre, px. */
  x: number;
  y: number;
  /** Pixels per second. */
  readonly velocity: { x: number; y: number };
}

/** A video track of shapes that move in front of a pattern. */
export class MovingShapes {
  readonly track: MediaStreamTrack;
  readonly #canvas = document.createElement('canvas');
  readonly #context: CanvasRenderingContext2D;
  readonly #background: HTMLCanvasElement;
  readonly #ticker: Worker;
  readonly #capture: CanvasCaptureMediaStreamTrack;
  readonly #bodies = shapes.map((shape, index): Body => {
    const radius = 34 + 9 * index;
    return {
      shape,
      colour: `hsl(${index * 90 + 15} 85% 60%)`,
      radius,
      x: size.width * (0.2 + 0.2 * index),
      y: size.height * (0.3 + 0.15 * index),
      velocity: { x: 150 - 85 * index, y: 70 + 25 * index },
    };
  });
  #drawnAt = performance.now();

  /** @param onFrame gets the boxes of each frame and its capture time (`performance.now`). */
  constructor(private readonly onFrame: (boxes: readonly ShapeBox[], capturedAt: number) => void) {
    Object.assign(this.#canvas, size);
    this.#context = this.#canvas.getContext('2d', { alpha: false })!;
    this.#background = pattern();
    [this.#capture] = this.#canvas.captureStream(0).getVideoTracks() as [CanvasCaptureMediaStreamTrack];
    this.track = this.#capture;
    const name = String(1000 / framesPerSecond);
    this.#ticker = new Worker(new URL('ticker.ts', import.meta.url), { type: 'module', name });
    this.#ticker.addEventListener('message', () => this.#tick());
    this.#tick();
  }

  #tick(): void {
    // The owner of the track stops it to end the video.
    if (this.track.readyState === 'ended') return this.#ticker.terminate();
    const now = performance.now();
    const seconds = Math.min(now - this.#drawnAt, 200) / 1000;
    this.#drawnAt = now;
    this.#context.drawImage(this.#background, 0, 0);
    for (const body of this.#bodies) {
      move(body, seconds);
      draw(this.#context, body);
    }
    this.#capture.requestFrame();
    this.onFrame(
      this.#bodies.map(({ shape, x, y, radius }) => ({
        shape,
        x: (x - radius) / size.width,
        y: (y - radius) / size.height,
        width: (2 * radius) / size.width,
        height: (2 * radius) / size.height,
      })),
      now,
    );
  }
}

/** Moves a body and reverses it at the edges. */
function move(body: Body, seconds: number): void {
  for (const [axis, length] of [
    ['x', size.width],
    ['y', size.height],
  ] as const) {
    body[axis] += body.velocity[axis] * seconds;
    const inside = Math.min(Math.max(body[axis], body.radius), length - body.radius);
    if (inside !== body[axis]) body.velocity[axis] *= -1;
    body[axis] = inside;
  }
}

function draw(context: CanvasRenderingContext2D, { shape, colour, radius, x, y }: Body): void {
  context.fillStyle = colour;
  context.beginPath();
  if (shape === 'disc') context.arc(x, y, radius, 0, 2 * Math.PI);
  else if (shape === 'square') context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  else {
    // The corners are on the circle that the box encloses.
    const corners = shape === 'triangle' ? 3 : 10;
    for (let corner = 0; corner < corners; corner++) {
      const distance = shape === 'star' && corner % 2 === 1 ? radius * 0.45 : radius;
      const angle = (2 * Math.PI * corner) / corners - Math.PI / 2;
      context.lineTo(x + distance * Math.cos(angle), y + distance * Math.sin(angle));
    }
  }
  context.fill();
}

/** A background with as much detail for the encoder as a room has. */
function pattern(): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), size);
  const context = canvas.getContext('2d', { alpha: false })!;
  const side = 20;
  for (let x = 0; x < size.width; x += side) {
    for (let y = 0; y < size.height; y += side) {
      const light = 16 + 8 * Math.sin(x * 0.021) + 6 * Math.cos(y * 0.034) + (((x + y) / side) % 2) * 4;
      context.fillStyle = `hsl(${215 + 40 * Math.sin((x - y) * 0.008)} 35% ${light}%)`;
      context.fillRect(x, y, side, side);
    }
  }
  return canvas;
}

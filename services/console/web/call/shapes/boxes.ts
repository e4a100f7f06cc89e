/** A publication with this label has boxes on the topic of the same name: so nobody asks a relay before there are some. */
export const boxesTopic = 'demo.boxes';

export const shapes = ['disc', 'square', 'triangle', 'star'] as const;
export type Shape = (typeof shapes)[number];

/** Where a shape is in a frame, in shares of the frame's width and height. */
export interface ShapeBox {
  readonly shape: Shape;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const mostBoxes = 32;
const digits = 10_000;

/** What is published for a frame: `[[shape, x, y, width, height], …]`, in units of 1/10,000 of the frame. */
export const packBoxes = (boxes: readonly ShapeBox[]): number[][] =>
  boxes.map(({ shape, x, y, width, height }) => [
    shapes.indexOf(shape),
    ...[x, y, width, height].map((share) => Math.round(share * digits)),
  ]);

/** Anybody in the room may publish anything: undefined for what is no list of boxes. */
export function parseBoxes(data: unknown): ShapeBox[] | undefined {
  if (!Array.isArray(data) || data.length > mostBoxes) return undefined;
  const boxes: ShapeBox[] = [];
  for (const each of data as unknown[]) {
    if (!Array.isArray(each) || each.length !== 5 || !each.every((value) => Number.isInteger(value))) return undefined;
    const [index, ...units] = each as [number, number, number, number, number];
    const shape = shapes[index];
    if (shape === undefined || units.some((unit) => Math.abs(unit) > 2 * digits)) return undefined;
    const [x, y, width, height] = units.map((unit) => unit / digits) as [number, number, number, number];
    boxes.push({ shape, x, y, width, height });
  }
  return boxes;
}

/** How a picture lies in an element that it covers (`object-fit: cover`): its size there, and how far it begins outside. */
export function cover(
  picture: { readonly width: number; readonly height: number },
  element: { readonly width: number; readonly height: number },
): { readonly left: number; readonly top: number; readonly width: number; readonly height: number } {
  const scale = Math.max(element.width / picture.width, element.height / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  return { left: (element.width - width) / 2, top: (element.height - height) / 2, width, height };
}

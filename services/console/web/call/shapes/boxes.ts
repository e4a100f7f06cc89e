/** Topic of boxes, and label of publications that have boxes, so that pages subscribe only where there are some. */
export const boxesTopic = 'demo.boxes';

export const shapes = ['disc', 'square', 'triangle', 'star'] as const;
export type Shape = (typeof shapes)[number];

/** Position of a shape in a frame, as fractions of the frame's width and height. */
export interface ShapeBox {
  readonly shape: Shape;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const maxBoxes = 32;
const unitsPerFrame = 10_000;

/** Message for a frame: `[[shape, x, y, width, height], …]`, in 1/10,000 of the frame. */
export const packBoxes = (boxes: readonly ShapeBox[]): number[][] =>
  boxes.map(({ shape, x, y, width, height }) => [
    shapes.indexOf(shape),
    ...[x, y, width, height].map((share) => Math.round(share * unitsPerFrame)),
  ]);

/** Undefined for data that is no list of boxes. Any participant may publish any data. */
export function parseBoxes(data: unknown): ShapeBox[] | undefined {
  if (!Array.isArray(data) || data.length > maxBoxes) return undefined;
  const boxes: ShapeBox[] = [];
  for (const each of data as unknown[]) {
    if (!Array.isArray(each) || each.length !== 5 || !each.every((value) => Number.isInteger(value))) return undefined;
    const [index, ...units] = each as [number, number, number, number, number];
    const shape = shapes[index];
    if (shape === undefined || units.some((unit) => Math.abs(unit) > 2 * unitsPerFrame)) return undefined;
    const [x, y, width, height] = units.map((unit) => unit / unitsPerFrame) as [number, number, number, number];
    boxes.push({ shape, x, y, width, height });
  }
  return boxes;
}

/** Rectangle of a picture in an element that it covers (CSS `object-fit: cover`), relative to the element. */
export function cover(
  picture: { readonly width: number; readonly height: number },
  element: { readonly width: number; readonly height: number },
): { readonly left: number; readonly top: number; readonly width: number; readonly height: number } {
  const scale = Math.max(element.width / picture.width, element.height / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  return { left: (element.width - width) / 2, top: (element.height - height) / 2, width, height };
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where everything is: shared screens on the stage, people in the grid or, beside a stage, in the strip. */
export interface CallLayout {
  readonly screens: readonly Box[];
  readonly people: readonly Box[];
}

const widest = 16 / 9;

/**
 * Packs `count` equal boxes into an area, as large as they can be. Their shape gives way a little, between `narrowest` and
 * 16:9, where that fills the area better. A last row that is not full stands in the middle.
 */
export function pack(count: number, area: Box, gap: number, narrowest: number): Box[] {
  let best = { size: 0, columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (area.width - gap * (columns - 1)) / columns;
    const cellHeight = (area.height - gap * (rows - 1)) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const shape = Math.min(Math.max(cellWidth / cellHeight, narrowest), widest);
    const width = Math.floor(Math.min(cellWidth, cellHeight * shape));
    const height = Math.floor(Math.min(cellHeight, cellWidth / shape));
    if (width * height > best.size) best = { size: width * height, columns, width, height };
  }
  const { columns, width, height } = best;
  const rows = Math.ceil(count / columns);
  const top = area.y + (area.height - rows * height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = area.x + (area.width - inRow * width - (inRow - 1) * gap) / 2;
    return {
      x: Math.round(left + (index % columns) * (width + gap)),
      y: Math.round(top + row * (height + gap)),
      width,
      height,
    };
  });
}

export function layOut(people: number, screens: number, width: number, height: number): CallLayout {
  const gap = Math.min(width, height) < 480 ? 8 : 12;
  const upright = width < height;
  if (screens === 0)
    return { screens: [], people: pack(people, { x: 0, y: 0, width, height }, gap, upright ? 4 / 5 : 4 / 3) };
  // The strip is beneath the stage where the page is upright, else beside it; it grows when there are many to show.
  const strip = upright
    ? height - gap - Math.min(width * 0.7, height * 0.6)
    : Math.min(Math.max(width * (people > 6 ? 0.28 : 0.2), 120), 400);
  const packed = pack(
    people,
    { x: 0, y: 0, width: upright ? width : strip, height: upright ? strip : height },
    gap,
    4 / 3,
  );
  // What the tiles leave of the strip is the stage's.
  const used = upright ? extent(packed, 'y', 'height') : extent(packed, 'x', 'width');
  const shift = upright ? { x: 0, y: height - used.to } : { x: width - used.to, y: 0 };
  const space = (upright ? height : width) - (used.to - used.from) - gap;
  const stage: Box = { x: 0, y: 0, width: upright ? width : space, height: upright ? space : height };
  return {
    // A single screen has the whole stage: its picture keeps its own shape inside.
    screens: screens === 1 ? [stage] : pack(screens, stage, gap, 1),
    people: packed.map((box) => ({ ...box, x: box.x + shift.x, y: box.y + shift.y })),
  };
}

function extent(boxes: readonly Box[], start: 'x' | 'y', size: 'width' | 'height'): { from: number; to: number } {
  return {
    from: Math.min(...boxes.map((box) => box[start])),
    to: Math.max(...boxes.map((box) => box[start] + box[size])),
  };
}

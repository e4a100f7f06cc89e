export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Positions of all tiles: shared screens on the stage; people in the grid or, beside a stage, in the strip. */
export interface CallLayout {
  readonly screens: readonly Box[];
  readonly people: readonly Box[];
}

const widest = 16 / 9;

/**
 * Packs `count` equal boxes into an area, as large as possible. Their aspect ratio varies between `narrowest` and 16:9 to
 * fill the area better. A last row that is not full is centred.
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
  const portrait = width < height;
  if (screens === 0)
    return { screens: [], people: pack(people, { x: 0, y: 0, width, height }, gap, portrait ? 4 / 5 : 4 / 3) };
  // The strip is below the stage in portrait, beside it in landscape; it is wider for more than six people.
  const strip = portrait
    ? height - gap - Math.min(width * 0.7, height * 0.6)
    : Math.min(Math.max(width * (people > 6 ? 0.28 : 0.2), 120), 400);
  const packed = pack(
    people,
    { x: 0, y: 0, width: portrait ? width : strip, height: portrait ? strip : height },
    gap,
    4 / 3,
  );
  // The stage gets the part of the strip that the tiles leave free.
  const used = portrait ? extent(packed, 'y', 'height') : extent(packed, 'x', 'width');
  const shift = portrait ? { x: 0, y: height - used.to } : { x: width - used.to, y: 0 };
  const space = (portrait ? height : width) - (used.to - used.from) - gap;
  const stage: Box = { x: 0, y: 0, width: portrait ? width : space, height: portrait ? space : height };
  return {
    // A single screen gets the whole stage; its video keeps its aspect ratio inside.
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

import type { DrawnVertex } from './drawing.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Angle between consecutive points of a sunflower arrangement, which never align (H. Vogel, 1979). */
const goldenAngle = Math.PI * (3 - Math.sqrt(5));
const roomSpacing = 40;
const spaciousSpacing = 60;
/** Distances between the sessions around a room: on a ring, and between rings. */
const sessionSpacing = 40;
const ringSpacing = 30;
/** Sessions are placed around a room but not below it, and around a gateway but not above it, where its label is. */
const openArc = (Math.PI * 4) / 3;
const hubGap = 45;
const nodeRadius = 70;
const gatewaySpacing = 320;
const gatewayGap = 70;
/** Capacities grow in steps, so that a new vertex does not move the others. */
const minRooms = 8;
const minSessions = 4;
/** Hub of the rooms without a node: empty ones, and those with direct calls. */
const noHub = '';

/** Assigns numbers to ids, the lowest free one first. An id keeps its number until it is removed. */
class Slots {
  readonly #assigned = new Map<string, number>();
  readonly #free: number[] = [];
  #next = 0;

  /** Frees the numbers of other ids, then numbers new ids. */
  keepOnly(ids: readonly string[]): void {
    const wanted = new Set(ids);
    for (const [id, slot] of this.#assigned) {
      if (wanted.has(id)) continue;
      this.#assigned.delete(id);
      this.#free.push(slot);
    }
    this.#free.sort((a, b) => b - a);
    for (const id of ids) if (!this.#assigned.has(id)) this.#assigned.set(id, this.#free.pop() ?? this.#next++);
  }

  of(id: string): number {
    return this.#assigned.get(id)!;
  }

  inOrder(): string[] {
    return [...this.#assigned].sort(([, a], [, b]) => a - b).map(([id]) => id);
  }

  /** One more than the highest number that was ever assigned. */
  get count(): number {
    return this.#next;
  }
}

/**
 * Positions of all vertices: gateways in a row, below them the SFU nodes, each surrounded by its rooms, and sessions around
 * their rooms. Vertices keep their positions while others are added and removed.
 */
export class Placement {
  readonly #gateways = new Slots();
  readonly #hubs = new Slots();
  readonly #rooms = new Map<string, Slots>();
  readonly #sessions = new Map<string, Slots>();

  /**
   * @param spacious leaves space between rooms for the sessions around them
   * @param aspect width of the whole divided by its height
   */
  place(vertices: readonly DrawnVertex[], spacious: boolean, aspect: number): Map<string, Point> {
    const of = (...kinds: readonly DrawnVertex['kind'][]): DrawnVertex[] =>
      vertices.filter(({ kind }) => kinds.includes(kind));
    const rooms = Map.groupBy(of('room', 'rest'), ({ beside = noHub }) => beside);
    const sessions = Map.groupBy(of('session'), ({ beside = '' }) => beside);
    const nodes = of('node').map(({ id }) => id);
    this.#hubs.keepOnly([...new Set([...nodes, ...rooms.keys()])]);
    assignSlots(this.#rooms, rooms);
    assignSlots(this.#sessions, sessions);

    const hubs = this.#hubs.inOrder().map((id): Hub => {
      const around = rooms.get(id) ?? [];
      const most = Math.max(0, ...around.map((room) => this.#sessions.get(room.id)?.count ?? 0));
      const spacing = spacious ? Math.max(spaciousSpacing, most > 0 ? 1.2 * ringsRadius(most) : 0) : roomSpacing;
      // Without a node, the first room is in the centre.
      const inner = nodes.includes(id) ? nodeRadius + spacing * 0.75 : 0;
      return { id, inner, spacing, radius: seedRadius(capacityFor(around.length, minRooms), inner, spacing) + hubGap };
    });
    const { centres, top } = inRows(hubs, Math.max(1, Math.ceil(Math.sqrt(hubs.length * aspect))));

    const points = new Map<string, Point>();
    for (const { id, inner, spacing } of hubs) {
      const centre = centres.get(id)!;
      if (nodes.includes(id)) points.set(id, centre);
      for (const room of rooms.get(id) ?? [])
        points.set(room.id, seed(centre, this.#rooms.get(id)!.of(room.id), inner, spacing));
    }
    this.#placeGateways(
      of('gateway').map(({ id }) => id),
      top,
      points,
    );
    const gateways = new Set(of('gateway').map(({ id }) => id));
    const sizes = new Map(vertices.map(({ id, size }) => [id, size]));
    for (const [beside, around] of sessions) {
      const centre = points.get(beside);
      const slots = this.#sessions.get(beside)!;
      const capacity = capacityFor(slots.count, minSessions);
      for (const { id } of centre ? around : [])
        points.set(
          id,
          ring(centre!, sizes.get(beside)! / 2, slots.of(id), capacity, gateways.has(beside) ? 'below' : 'above'),
        );
    }
    return points;
  }

  #placeGateways(ids: readonly string[], y: number, points: Map<string, Point>): void {
    this.#gateways.keepOnly(ids);
    const from = (-(this.#gateways.count - 1) * gatewaySpacing) / 2;
    for (const id of ids) points.set(id, { x: from + this.#gateways.of(id) * gatewaySpacing, y });
  }
}

/** A node, or the centre of the rooms without one, with the radius of its rooms. */
interface Hub {
  readonly id: string;
  readonly inner: number;
  readonly spacing: number;
  readonly radius: number;
}

/** Puts hubs in centred rows. `top` is above them all. */
function inRows(hubs: readonly Hub[], columns: number): { centres: Map<string, Point>; top: number } {
  const centres = new Map<string, Point>();
  let y = 0;
  for (let from = 0; from < hubs.length; from += columns) {
    const row = hubs.slice(from, from + columns);
    const rowRadius = Math.max(...row.map(({ radius }) => radius));
    let x = -row.reduce((sum, { radius }) => sum + radius, 0);
    for (const { id, radius } of row) {
      centres.set(id, { x: x + radius, y: y + rowRadius });
      x += 2 * radius;
    }
    y += 2 * rowRadius;
  }
  return { centres, top: -gatewayGap };
}

/** Assigns a slot to each vertex among those around the same one. */
function assignSlots(slots: Map<string, Slots>, groups: ReadonlyMap<string, readonly DrawnVertex[]>): void {
  for (const id of slots.keys()) if (!groups.has(id)) slots.delete(id);
  for (const [id, members] of groups) {
    const group = slots.get(id) ?? new Slots();
    slots.set(id, group);
    group.keepOnly(members.map((member) => member.id));
  }
}

/** The smallest capacity that holds the count: `min`, or that times a power of 1.5. */
function capacityFor(count: number, min: number): number {
  let capacity = min;
  while (capacity < count) capacity = Math.ceil(capacity * 1.5);
  return capacity;
}

/** Radius of a seed: all seeds take the same area, and the inner circle is empty. */
const seedRadius = (index: number, inner: number, spacing: number): number =>
  Math.hypot(inner, spacing * Math.sqrt(index));

function seed({ x, y }: Point, index: number, inner: number, spacing: number): Point {
  const radius = seedRadius(index, inner, spacing);
  // The first is at the top, as nodes are wide.
  const angle = index * goldenAngle - Math.PI / 2;
  return { x: x + radius * Math.cos(angle), y: y + radius * Math.sin(angle) };
}

/** Position of a slot on the rings around a point. */
function ring(
  { x, y }: Point,
  innerRadius: number,
  slot: number,
  capacity: number,
  where: 'above' | 'below' = 'above',
): Point {
  let [first, radius] = [0, innerRadius + ringSpacing];
  let fit = fitting(radius);
  while (slot >= first + fit) {
    first += fit;
    radius += ringSpacing;
    fit = fitting(radius);
  }
  const onRing = Math.min(fit, capacity - first);
  const angle = fromTop(slot - first, onRing) * (openArc / onRing) - Math.PI / 2;
  return { x: x + radius * Math.cos(angle), y: y + (where === 'above' ? 1 : -1) * radius * Math.sin(angle) };
}

/** Steps from the top of the ring: the first slots are at the top, then alternately left (negative) and right. */
function fromTop(index: number, onRing: number): number {
  const even = onRing % 2 === 0;
  const steps = even ? Math.floor(index / 2) + 0.5 : Math.ceil(index / 2);
  return index % 2 === (even ? 0 : 1) ? -steps : steps;
}

const fitting = (radius: number): number => Math.max(1, Math.floor((openArc * radius) / sessionSpacing));

/** Radius of the rings of so many sessions around a room of medium size. */
function ringsRadius(count: number): number {
  const capacity = capacityFor(count, minSessions);
  const outermost = ring({ x: 0, y: 0 }, 16, capacity - 1, capacity);
  return Math.hypot(outermost.x, outermost.y);
}

import type { DrawnVertex } from './drawing.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Turns that never line up: seeds on a sunflower (H. Vogel, 1979). */
const goldenAngle = Math.PI * (3 - Math.sqrt(5));
const roomSpacing = 40;
const roomySpacing = 60;
/** Around a room: from one to the next, and from ring to ring. */
const personSpacing = 40;
const ringSpacing = 30;
/** People stand around a room but not below it, and around a gateway but not above it: there is its name. */
const openArc = (Math.PI * 4) / 3;
const hubGap = 45;
const nodeRadius = 70;
const gatewaySpacing = 320;
const gatewayGap = 70;
/** Places grow in steps, so that not everything moves with everybody who comes. */
const leastRooms = 8;
const leastPeople = 4;
/** Where rooms stand that have no node: empty ones, and those without media through a node. */
const noHub = '';

/** Numbers handed out, the lowest free one first, so that what stays keeps its number. */
class Slots {
  readonly #taken = new Map<string, number>();
  readonly #free: number[] = [];
  #next = 0;

  /** Gives back the numbers of what is gone, then numbers what is new. */
  keepOnly(ids: readonly string[]): void {
    const wanted = new Set(ids);
    for (const [id, slot] of this.#taken) {
      if (wanted.has(id)) continue;
      this.#taken.delete(id);
      this.#free.push(slot);
    }
    this.#free.sort((a, b) => b - a);
    for (const id of ids) if (!this.#taken.has(id)) this.#taken.set(id, this.#free.pop() ?? this.#next++);
  }

  of(id: string): number {
    return this.#taken.get(id)!;
  }

  inOrder(): string[] {
    return [...this.#taken].sort(([, a], [, b]) => a - b).map(([id]) => id);
  }

  /** The numbers handed out, those that were given back too. */
  get count(): number {
    return this.#next;
  }
}

/**
 * Where everything stands: gateways in a row, under it the SFU nodes, each with its rooms around it, and people around their
 * rooms. Nothing moves unless it must: what is new takes a free place beside what it belongs to.
 */
export class Placement {
  readonly #gateways = new Slots();
  readonly #hubs = new Slots();
  readonly #rooms = new Map<string, Slots>();
  readonly #people = new Map<string, Slots>();

  /** `roomy` leaves place between the rooms for the people around each. `aspect` is the width of the whole by its height. */
  place(vertices: readonly DrawnVertex[], roomy: boolean, aspect: number): Map<string, Point> {
    const of = (...kinds: readonly DrawnVertex['kind'][]): DrawnVertex[] =>
      vertices.filter(({ kind }) => kinds.includes(kind));
    const rooms = Map.groupBy(of('room', 'rest'), ({ beside = noHub }) => beside);
    const people = Map.groupBy(of('session'), ({ beside = '' }) => beside);
    const nodes = of('node').map(({ id }) => id);
    this.#hubs.keepOnly([...new Set([...nodes, ...rooms.keys()])]);
    settle(this.#rooms, rooms);
    settle(this.#people, people);

    const hubs = this.#hubs.inOrder().map((id): Hub => {
      const around = rooms.get(id) ?? [];
      const most = Math.max(0, ...around.map((room) => this.#people.get(room.id)?.count ?? 0));
      const spacing = roomy ? Math.max(roomySpacing, most > 0 ? 1.2 * ringsRadius(most) : 0) : roomSpacing;
      // Where no node stands, the first room takes the middle.
      const inner = nodes.includes(id) ? nodeRadius + spacing * 0.75 : 0;
      return { id, inner, spacing, radius: seedRadius(stepUp(around.length, leastRooms), inner, spacing) + hubGap };
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
    for (const [beside, around] of people) {
      const centre = points.get(beside);
      const slots = this.#people.get(beside)!;
      const capacity = stepUp(slots.count, leastPeople);
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

/** A node, or the middle of the rooms that have none, and how far its rooms reach. */
interface Hub {
  readonly id: string;
  readonly inner: number;
  readonly spacing: number;
  readonly radius: number;
}

/** Row by row, each row in the middle; `top` is a place above them all. */
function inRows(hubs: readonly Hub[], columns: number): { centres: Map<string, Point>; top: number } {
  const centres = new Map<string, Point>();
  let y = 0;
  for (let from = 0; from < hubs.length; from += columns) {
    const row = hubs.slice(from, from + columns);
    const reach = Math.max(...row.map(({ radius }) => radius));
    let x = -row.reduce((sum, { radius }) => sum + radius, 0);
    for (const { id, radius } of row) {
      centres.set(id, { x: x + radius, y: y + reach });
      x += 2 * radius;
    }
    y += 2 * reach;
  }
  return { centres, top: -gatewayGap };
}

/** Gives each a place beside what it belongs to. */
function settle(slots: Map<string, Slots>, groups: ReadonlyMap<string, readonly DrawnVertex[]>): void {
  for (const id of slots.keys()) if (!groups.has(id)) slots.delete(id);
  for (const [id, members] of groups) {
    const places = slots.get(id) ?? new Slots();
    slots.set(id, places);
    places.keepOnly(members.map((member) => member.id));
  }
}

function stepUp(count: number, least: number): number {
  let most = least;
  while (most < count) most = Math.ceil(most * 1.5);
  return most;
}

/** Each seed has the same area: those of the inner circle are left out. */
const seedRadius = (index: number, inner: number, spacing: number): number =>
  Math.hypot(inner, spacing * Math.sqrt(index));

function seed({ x, y }: Point, index: number, inner: number, spacing: number): Point {
  const radius = seedRadius(index, inner, spacing);
  // The first is above: to the sides nodes are wide.
  const angle = index * goldenAngle - Math.PI / 2;
  return { x: x + radius * Math.cos(angle), y: y + radius * Math.sin(angle) };
}

/** The place of one of those who stand around something, in as many rings as it takes. */
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
  const places = Math.min(fit, capacity - first);
  const angle = fromTop(slot - first, places) * (openArc / places) - Math.PI / 2;
  return { x: x + radius * Math.cos(angle), y: y + (where === 'above' ? 1 : -1) * radius * Math.sin(angle) };
}

/** How many steps from the top a place is: the first ones at the top, then by turns to the left (negative) and to the right. */
function fromTop(index: number, places: number): number {
  const even = places % 2 === 0;
  const steps = even ? Math.floor(index / 2) + 0.5 : Math.ceil(index / 2);
  return index % 2 === (even ? 0 : 1) ? -steps : steps;
}

const fitting = (radius: number): number => Math.max(1, Math.floor((openArc * radius) / personSpacing));

/** How far the rings of so many reach around a room of middling size. */
function ringsRadius(count: number): number {
  const capacity = stepUp(count, leastPeople);
  const outermost = ring({ x: 0, y: 0 }, 16, capacity - 1, capacity);
  return Math.hypot(outermost.x, outermost.y);
}

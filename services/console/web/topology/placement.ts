import type { DrawnVertex } from './drawing.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Turns that never line up: seeds on a sunflower (H. Vogel, 1979). */
const goldenAngle = Math.PI * (3 - Math.sqrt(5));
const roomSpacing = 40;
const personSpacing = 24;
const hubGap = 120;
const ringGap = 20;
/** The innermost seeds are left to the node. */
const firstRoom = 3;
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

  /** `roomy` leaves place between the rooms for the people around each. */
  place(vertices: readonly DrawnVertex[], roomy: boolean): Map<string, Point> {
    const of = (...kinds: readonly DrawnVertex['kind'][]): DrawnVertex[] =>
      vertices.filter(({ kind }) => kinds.includes(kind));
    const rooms = Map.groupBy(of('room', 'rest'), ({ beside = noHub }) => beside);
    const people = Map.groupBy(of('session'), ({ beside = '' }) => beside);
    const gateways = of('gateway').map(({ id }) => id);
    const nodes = of('node').map(({ id }) => id);
    this.#gateways.keepOnly(gateways);
    this.#hubs.keepOnly([...new Set([...nodes, ...rooms.keys()])]);
    const mostRooms = settle(this.#rooms, rooms, leastRooms);
    const mostPeople = settle(this.#people, people, leastPeople);

    const points = new Map<string, Point>();
    const spacing = roomy ? Math.max(roomSpacing, 1.2 * ringsRadius(mostPeople)) : roomSpacing;
    const pitch = 2 * spacing * Math.sqrt(mostRooms + firstRoom) + hubGap;
    const columns = Math.max(1, Math.ceil(Math.sqrt(this.#hubs.count * 1.5)));
    const hubAt = (hub: string): Point => {
      const slot = this.#hubs.of(hub);
      return { x: (slot % columns) * pitch, y: Math.floor(slot / columns) * pitch };
    };
    for (const id of nodes) points.set(id, hubAt(id));
    for (const [hub, around] of rooms) {
      const slots = this.#rooms.get(hub)!;
      // Where no node stands, the first room takes the middle.
      const first = nodes.includes(hub) ? firstRoom : 0;
      for (const { id } of around) points.set(id, seed(hubAt(hub), slots.of(id) + first, spacing));
    }
    const width = (Math.min(columns, Math.max(1, this.#hubs.count)) - 1) * pitch;
    const step = Math.max(150, width / Math.max(1, gateways.length));
    const from = width / 2 - ((this.#gateways.count - 1) * step) / 2;
    for (const id of gateways) points.set(id, { x: from + this.#gateways.of(id) * step, y: -pitch / 2 - 60 });
    const sizes = new Map(vertices.map(({ id, size }) => [id, size]));
    for (const [beside, around] of people) {
      const centre = points.get(beside);
      const slots = this.#people.get(beside)!;
      const capacity = stepUp(leastPeople, slots.count);
      for (const { id } of centre ? around : [])
        points.set(id, ring(centre!, sizes.get(beside)! / 2, slots.of(id), capacity));
    }
    return points;
  }
}

/** Gives each a place beside what it belongs to, and returns how many places the largest of the groups takes. */
function settle(slots: Map<string, Slots>, groups: ReadonlyMap<string, readonly DrawnVertex[]>, least: number): number {
  let most = least;
  for (const id of slots.keys()) if (!groups.has(id)) slots.delete(id);
  for (const [id, members] of groups) {
    const places = slots.get(id) ?? new Slots();
    slots.set(id, places);
    places.keepOnly(members.map((member) => member.id));
    most = stepUp(most, places.count);
  }
  return most;
}

function stepUp(least: number, count: number): number {
  let most = least;
  while (most < count) most *= 2;
  return most;
}

function seed({ x, y }: Point, index: number, spacing: number): Point {
  const radius = spacing * Math.sqrt(index);
  return { x: x + radius * Math.cos(index * goldenAngle), y: y + radius * Math.sin(index * goldenAngle) };
}

/** The place of one of those who stand around something, in as many rings as it takes. */
function ring({ x, y }: Point, innerRadius: number, slot: number, capacity: number): Point {
  let [first, radius] = [0, innerRadius + ringGap];
  let fit = fitting(radius);
  while (slot >= first + fit) {
    first += fit;
    radius += personSpacing;
    fit = fitting(radius);
  }
  const angle = -Math.PI / 2 + (2 * Math.PI * (slot - first)) / Math.min(fit, capacity - first);
  return { x: x + radius * Math.cos(angle), y: y + radius * Math.sin(angle) };
}

const fitting = (radius: number): number => Math.max(1, Math.floor((2 * Math.PI * radius) / personSpacing));

/** How far the rings of so many reach around a room of middling size. */
function ringsRadius(capacity: number): number {
  const outermost = ring({ x: 0, y: 0 }, 16, capacity - 1, capacity);
  return Math.hypot(outermost.x, outermost.y);
}

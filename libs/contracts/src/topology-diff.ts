import { maxUpdateEntries, type Topology, type TopologyUpdate, type TopologyVertex } from './topology.ts';

/**
 * The updates that lead from one topology to a later one, each of at most `maxUpdateEntries`, to be applied in order. Without an
 * old topology they contain everything. There is at least one, even when nothing changed.
 */
export function diffTopologies(old: Topology | undefined, now: Topology): TopologyUpdate[] {
  const before = new Map(old?.vertices.map((vertex) => [vertex.id, vertex]));
  const changed: TopologyVertex[] = [];
  for (const vertex of now.vertices) {
    const known = before.get(vertex.id);
    if (!known || !isSame(known, vertex)) changed.push(vertex);
    before.delete(vertex.id);
  }
  const removed = [...before.keys()];
  const parts = Math.max(1, Math.ceil(Math.max(changed.length, removed.length) / maxUpdateEntries));
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [part * maxUpdateEntries, (part + 1) * maxUpdateEntries];
    return {
      at: now.at,
      reset: old === undefined && part === 0,
      changed: changed.slice(from, to),
      removed: removed.slice(from, to),
      truncated: now.truncated,
    };
  });
}

/** Applies an update to the known vertices, which are kept by their ids. */
export function applyTopologyUpdate(vertices: Map<string, TopologyVertex>, update: TopologyUpdate): void {
  if (update.reset) vertices.clear();
  for (const vertex of update.changed) vertices.set(vertex.id, vertex);
  for (const id of update.removed) vertices.delete(id);
}

/**
 * Deep equality of JSON values, independent of the order of keys. Called for every vertex, so the loops create no arrays of
 * keys.
 */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  let keys = 0;
  for (const key in a) {
    if (!isSame(a[key as never], b[key as never])) return false;
    keys++;
  }
  for (const _key in b) keys--;
  return keys === 0;
}

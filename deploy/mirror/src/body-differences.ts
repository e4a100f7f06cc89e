import { idPrefixes } from '@flotilla/contracts';

/** What both sides have at one place of a body. Undefined: nothing. */
export interface Difference {
  /** JSON Pointer (RFC 6901). Empty: the whole body. */
  readonly at: string;
  readonly production: unknown;
  readonly shadow: unknown;
}

/** The rules by which values that differ count as equal, as the report lists them. */
export const rules = [
  'times: fields whose names end in `At` or `Ms`, on both sides numbers or ISO 8601 dates',
  `ids: texts of one kind (${Object.values(idPrefixes).join(', ')}), if each id of one side stands for one of the other`,
  'generated names: `name` of a room that was created without one (16 characters), and users without an id (`guest-...`)',
  'cursors: `next`, on both sides a text',
  'secrets: `<redacted>` on both sides',
  'large reads: without --exact, when the body of one side is larger than 64 KiB',
] as const;

type Pair = readonly [at: string, production: unknown, shadow: unknown];

/** The differences of two bodies by value, but for the rules. */
export function differencesByValue(production: unknown, shadow: unknown, ignored: ReadonlySet<string>): Difference[] {
  const leaves = [...pairs('', production, shadow, ignored)];
  const ids = new IdMapping();
  for (const [, ours, theirs] of leaves) ids.learn(ours, theirs);
  return leaves
    .filter(([at, ours, theirs]) => ours !== theirs && !isEqualByRule(at.split('/').at(-1) ?? '', ours, theirs, ids))
    .map(([at, ours, theirs]) => ({ at, production: ours, shadow: theirs }));
}

/** The places at which two values are no objects or arrays of both sides. */
function* pairs(at: string, production: unknown, shadow: unknown, ignored: ReadonlySet<string>): Generator<Pair> {
  if (!isObject(production) || !isObject(shadow) || Array.isArray(production) !== Array.isArray(shadow)) {
    yield [at, production, shadow];
    return;
  }
  for (const name of new Set([...Object.keys(production), ...Object.keys(shadow)])) {
    if (ignored.has(name)) continue;
    yield* pairs(`${at}/${escaped(name)}`, production[name], shadow[name], ignored);
  }
}

type Objectlike = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Objectlike => typeof value === 'object' && value !== null;
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

const idForm = new RegExp(`^(${Object.values(idPrefixes).join('|')})[0-9a-z-]{1,60}$`);
/** As `newId` of the contracts makes them. */
const generatedName = /^[0-9a-hjkmnp-tv-z]{16}$/;
const generatedUser = /^([a-z0-9]{1,20}\/)?guest-[0-9a-z]{16}$/;
const kindOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? idForm.exec(value)?.[1] : undefined;

/** Which id of the shadow release stands for which of production, one to one. */
class IdMapping {
  readonly #shadow = new Map<string, string>();
  readonly #production = new Map<string, string>();

  learn(production: unknown, shadow: unknown): void {
    if (kindOf(production) === undefined || kindOf(production) !== kindOf(shadow)) return;
    const [ours, theirs] = [production as string, shadow as string];
    if (this.#shadow.has(ours) || this.#production.has(theirs)) return;
    this.#shadow.set(ours, theirs);
    this.#production.set(theirs, ours);
  }

  has(production: string, shadow: string): boolean {
    return this.#shadow.get(production) === shadow;
  }
}

function isEqualByRule(field: string, production: unknown, shadow: unknown, ids: IdMapping): boolean {
  if (/(At|Ms)$/.test(field)) return isTime(production) && isTime(shadow);
  if (typeof production !== 'string' || typeof shadow !== 'string') return false;
  return (
    ids.has(production, shadow) ||
    (field === 'name' && generatedName.test(production) && generatedName.test(shadow)) ||
    (generatedUser.test(production) && generatedUser.test(shadow)) ||
    field === 'next'
  );
}

const isTime = (value: unknown): boolean =>
  typeof value === 'number' || (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value));

/**
 * The differences of the shapes of two bodies: fields that one side has alone, and types. The elements of an array have one shape; null
 * and an empty array have any.
 */
export function differencesByShape(production: unknown, shadow: unknown, ignored: ReadonlySet<string>): Difference[] {
  const found: Difference[] = [];
  compareShapes('', shapeOf(production, ignored), shapeOf(shadow, ignored), found);
  return found;
}

type Shape = string | { readonly element: Shape | undefined } | { readonly fields: ReadonlyMap<string, Shape> };

/** Undefined for null. */
function shapeOf(value: unknown, ignored: ReadonlySet<string>): Shape | undefined {
  if (value === null) return undefined;
  if (Array.isArray(value)) return { element: value.map((item) => shapeOf(item, ignored)).reduce(merged, undefined) };
  if (!isObject(value)) return typeof value;
  const fields = new Map<string, Shape>();
  for (const [name, field] of Object.entries(value)) {
    if (ignored.has(name)) continue;
    fields.set(name, shapeOf(field, ignored) ?? 'null');
  }
  return { fields };
}

/** The shape that has what either has. */
function merged(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || a === 'null') return b ?? a;
  if (b === undefined || b === 'null') return a;
  if (typeof a === 'string' || typeof b === 'string') return a;
  if ('element' in a || 'element' in b)
    return 'element' in a && 'element' in b ? { element: merged(a.element, b.element) } : a;
  const fields = new Map(a.fields);
  for (const [name, shape] of b.fields) fields.set(name, merged(fields.get(name), shape) ?? shape);
  return { fields };
}

function compareShapes(at: string, ours: Shape | undefined, theirs: Shape | undefined, found: Difference[]): void {
  if (ours === undefined || theirs === undefined || ours === 'null' || theirs === 'null') return;
  const differ = () => found.push({ at, production: typeName(ours), shadow: typeName(theirs) });
  if (typeof ours === 'string' || typeof theirs === 'string') {
    if (ours !== theirs) differ();
  } else if ('element' in ours || 'element' in theirs) {
    if ('element' in ours && 'element' in theirs) compareShapes(`${at}/*`, ours.element, theirs.element, found);
    else differ();
  } else {
    for (const name of new Set([...ours.fields.keys(), ...theirs.fields.keys()])) {
      const [our, their] = [ours.fields.get(name), theirs.fields.get(name)];
      const place = `${at}/${escaped(name)}`;
      if (our === undefined || their === undefined)
        found.push({ at: place, production: our && typeName(our), shadow: their && typeName(their) });
      else compareShapes(place, our, their, found);
    }
  }
}

const typeName = (shape: Shape): string =>
  typeof shape === 'string' ? shape : 'element' in shape ? 'array' : 'object';

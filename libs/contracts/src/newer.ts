/**
 * Reading what the next version wrote: records, events, commands and their answers. See docs/kubernetes/upgrade.md. What clients and
 * backends send is parsed strictly instead.
 */
import { z } from 'zod';

/** As `schema.safeParse`, but fields that strict objects in the schema do not know are dropped. */
export function safeRead<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.ZodSafeParseResult<z.output<Schema>> {
  const parsed = schema.safeParse(value);
  if (parsed.success || !parsed.error.issues.some(({ code }) => code === 'unrecognized_keys')) return parsed;
  const known: unknown = structuredClone(value);
  for (const issue of parsed.error.issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const holder = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], known);
    for (const key of issue.keys) delete (holder as Record<string, unknown>)[key];
  }
  return schema.safeParse(known);
}

/** As `safeRead`. Throws a ZodError. */
export function read<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = safeRead(schema, value);
  if (!result.success) throw result.error;
  return result.data;
}

/** A value of the enum; a text that this version does not know is read as `otherwise`. */
export const orElse = <Values extends z.ZodEnum>(values: Values, otherwise: z.output<Values>) =>
  z.preprocess(
    (value: z.input<Values>): unknown => (typeof value === 'string' && !isOf(values, value) ? otherwise : value),
    values,
  );

/** A list of values of the enum; texts that this version does not know are dropped. */
export const knownOf = <Values extends z.ZodEnum>(values: Values, list: z.ZodArray<Values> = z.array(values)) =>
  z.preprocess(
    (given: z.input<Values>[]): unknown =>
      Array.isArray(given) ? given.filter((value) => typeof value !== 'string' || isOf(values, value)) : given,
    list,
  );

const isOf = (values: z.ZodEnum, value: string): boolean => (values.options as readonly string[]).includes(value);

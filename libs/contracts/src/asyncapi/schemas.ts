import { z } from 'zod';
import { namedSchemas, reachableSchemas } from '../named-schemas.ts';

/** JSON Schema, draft 7: what AsyncAPI 3 builds on. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

const refTo = (name: string): string => `#/components/schemas/${name}`;
export const ref = (name: string): JsonSchema => ({ $ref: refTo(name) });

/**
 * The component schemas of the document: the given ones, and the named schemas they refer to. `input` is what clients send
 * (fields with a default are optional), `output` what they receive. Throws when a name differs between the two.
 */
export function componentSchemas(
  input: Readonly<Record<string, z.ZodType>>,
  output: Readonly<Record<string, z.ZodType>>,
): Record<string, JsonSchema> {
  const written = convert(input, 'input');
  const read = convert(output, 'output');
  for (const name of Object.keys(written)) {
    if (name in read && JSON.stringify(written[name]) !== JSON.stringify(read[name]))
      throw new Error(`the schema ${name} is not the same when written and when read: give it two names`);
  }
  const all = { ...read, ...written };
  return Object.fromEntries(Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function convert(own: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries({ ...namedSchemas, ...own })) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    target: 'draft-7',
    io,
    uri: refTo,
    override: ({ zodSchema, jsonSchema }) => {
      // Servers may add fields: only strict objects forbid fields that the document does not list.
      const { def } = zodSchema._zod;
      if (def.type === 'object' && !(def as z.core.$ZodObjectDef).catchall) delete jsonSchema.additionalProperties;
      // A reading variant of a named schema, see newer.ts, is that schema.
      if (def.type === 'pipe' && Object.keys(jsonSchema).join() === 'allOf') {
        Object.assign(jsonSchema, jsonSchema.allOf![0]);
        delete jsonSchema.allOf;
      }
    },
  });
  const names = Object.keys(own);
  const used = new Set([
    ...names,
    ...reachableSchemas(
      schemas,
      names.map((name) => schemas[name]!),
    ),
  ]);
  return Object.fromEntries(
    [...used].map((id) => {
      const { $schema: _schema, $id: _id, ...schema } = schemas[id]!;
      return [id, schema];
    }),
  );
}

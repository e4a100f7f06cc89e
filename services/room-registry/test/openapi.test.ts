import { restRoutes } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { openApiDocument } from '../src/index.ts';

interface Operation {
  readonly requestBody?: { readonly required: boolean };
  readonly responses: Record<string, unknown>;
}

const document = openApiDocument() as {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
  readonly security: unknown[];
  readonly servers: { url: string }[];
};

/** Every JSON object below the given one, with its path. */
function* objectsIn(value: unknown, path = '#'): Generator<[string, Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return;
  yield [path, value as Record<string, unknown>];
  for (const [key, child] of Object.entries(value)) yield* objectsIn(child, `${path}/${key}`);
}

describe('the OpenAPI document', () => {
  test('lists every route, the credential check of the gateways and itself', () => {
    expect(new Set(Object.keys(document.paths))).toEqual(
      new Set([...Object.values(restRoutes).map(({ path }) => path), '/v1/signal/validate', '/v1/openapi.json']),
    );
  });

  test('requires an API key and names servers', () => {
    expect(document.security).toEqual([{ apiKey: [] }]);
    expect(document.servers[0]).toMatchObject({ url: '/' });
  });

  test('documents 405 for every route, and 400, 413 and 415 for routes with a body', () => {
    for (const { path, method, ...route } of Object.values(restRoutes)) {
      const { responses, requestBody } = document.paths[path]![method]!;
      expect(responses).toHaveProperty('405');
      if (!('body' in route)) continue;
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '413', '415']));
      expect(requestBody?.required).toBe(!route.body.safeParse({}).success);
    }
  });

  test('gives every object and enumeration in a schema a name, so that generators number none', () => {
    const unnamed = [...objectsIn(document.components.schemas)].filter(
      ([path, schema]) =>
        path.split('/').length > 2 && ('properties' in schema || 'enum' in schema) && 'type' in schema,
    );
    expect(unnamed.map(([path]) => path)).toEqual([]);
  });

  test('describes every field, itself or by the schema that it refers to', () => {
    const { schemas } = document.components;
    const isDescribed = (field: Record<string, unknown>): boolean =>
      'description' in field || 'const' in field || isReferenceDescribed(field['$ref'] as string | undefined);
    const isReferenceDescribed = (ref: string | undefined): boolean =>
      ref !== undefined && isDescribed(schemas[ref.split('/').at(-1)!] as Record<string, unknown>);
    const fields = [...objectsIn(schemas)].filter(([path]) => /\/properties\/[^/]+$/.test(path));
    expect(fields.length).toBeGreaterThan(100);
    expect(fields.filter(([, field]) => !isDescribed(field)).map(([path]) => path)).toEqual([]);
  });

  test('has no tuple that is closed with `items: false`, which generators refuse', () => {
    expect([...objectsIn(document)].filter(([, schema]) => schema['items'] === false)).toEqual([]);
  });
});

import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asyncApiDocument, Request, type RequestType, signalEvents, signalRequests } from '../src/index.ts';
import { undescribedFields } from './undescribed-fields.ts';

interface Document {
  readonly channels: { readonly signal: { readonly messages: Record<string, { $ref: string }> } };
  readonly operations: Record<string, { action: string; messages: { $ref: string }[]; reply?: object }>;
  readonly components: {
    readonly schemas: Record<string, object>;
    readonly messages: Record<string, { payload: { $ref: string }; examples: { payload: Record<string, unknown> }[] }>;
  };
}
const document = JSON.parse(JSON.stringify(asyncApiDocument())) as Document;

describe('the AsyncAPI document', () => {
  test('is valid AsyncAPI 3.0, to the last warning', async () => {
    const { document: parsed, diagnostics } = await new Parser().parse(JSON.stringify(document));
    // 3.0 on purpose: it is what code generators read.
    const complaints = diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version');
    expect(complaints.map(({ message, path }) => ({ message, path }))).toEqual([]);
    expect(parsed?.version()).toBe('3.0.0');
    // The validator takes half a minute when other tests use the machine.
  }, 60_000);

  test('has an operation for every request, with its reply, and for every event', () => {
    for (const type of Object.keys(signalRequests))
      expect(document.operations[type]).toMatchObject({ action: 'receive', reply: expect.anything() as object });
    for (const type of Object.keys(signalEvents))
      expect(document.operations[`on_${type}`]).toMatchObject({ action: 'send' });
  });

  test('describes every field of every request, reply and event', () => {
    expect(undescribedFields(document.components.schemas)).toEqual([]);
  });

  const ajv = new Ajv({ strict: false, schemas: { document: document as object } });
  const messages = Object.entries(document.components.messages);

  test.each(messages)('the examples of %s fit its schema', (_name, { payload, examples }) => {
    const fits = ajv.getSchema(`document${payload.$ref}`)!;
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples)
      expect({ ok: fits(example.payload), errors: fits.errors }).toMatchObject({ ok: true });
  });

  test('no message matches the schema of another', () => {
    for (const [, { payload, examples }] of messages) {
      const fits = ajv.getSchema(`document${payload.$ref}`)!;
      const { type, ok } = examples[0]!.payload;
      const others = messages.flatMap(([, { examples }]) => examples.map(({ payload }) => payload));
      for (const other of others) if (other['type'] !== type || other['ok'] !== ok) expect(fits(other)).toBe(false);
    }
  });

  test('its schemas accept and refuse the same messages as the parser', () => {
    const requests = messages.filter(([name]) => name.startsWith('request.'));
    const change = fc.record({
      message: fc.constantFrom(...requests),
      at: fc.nat(),
      how: fc.constantFrom('remove', 'add', 'replace'),
      value: fc.constantFrom(null, true, 7, -1.5, 'text', [], {}),
    });
    fc.assert(
      fc.property(change, ({ message: [, { payload, examples }], at, how, value }) => {
        const changed = structuredClone(examples[0]!.payload);
        const places = placesIn(changed);
        const [holder, key] = places[at % places.length]!;
        if (how === 'replace') holder[key] = value;
        else if (how === 'add') holder['surprise'] = value;
        else if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else delete holder[key];
        const request = Request.safeParse(changed);
        const spec = signalRequests[examples[0]!.payload['type'] as RequestType];
        const parses =
          request.success &&
          request.data.type === examples[0]!.payload['type'] &&
          (request.data.to === undefined) === (spec.to === 'none') &&
          (spec.to !== 'room' || request.data.to!.startsWith('room:')) &&
          spec.payload.safeParse(request.data.payload).success;
        expect({ changed, fits: ajv.getSchema(`document${payload.$ref}`)!(changed) }).toEqual({
          changed,
          fits: parses,
        });
      }),
      { numRuns: 2000 },
    );
  });
});

/** Every field and element at any depth, as its holder and its key there. */
function placesIn(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [[holder, key], ...placesIn(holder[key])] as [typeof holder, string][]);
}

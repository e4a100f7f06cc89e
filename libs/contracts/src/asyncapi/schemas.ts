import { z } from 'zod';
import { Address } from '../envelope.ts';
import { ErrorBody } from '../errors.ts';
import { Offset, StreamAddress } from '../ids.ts';
import {
  DtlsParameters,
  IceParameters,
  Layers,
  MediaSessionParameters,
  RtpCapabilities,
  RtpParameters,
  Subscription,
  TransportParameters,
} from '../media.ts';
import { Negotiation, NegotiationState, PeerStream, ToldNegotiation } from '../negotiation.ts';
import { MediaMode, Participant, Publication, Room, RoomSnapshot } from '../room.ts';
import { TopologyUpdate, TopologyVertex } from '../topology.ts';

/** JSON Schema, draft 7: what AsyncAPI 3 builds on. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Schemas that several messages share, under the names they have here. */
const shared: Readonly<Record<string, z.ZodType>> = {
  Address,
  DtlsParameters,
  ErrorBody,
  IceParameters,
  Layers,
  MediaMode,
  MediaSessionParameters,
  Negotiation,
  NegotiationState,
  Offset,
  Participant,
  PeerStream,
  Publication,
  Room,
  RoomSnapshot,
  RtpCapabilities,
  RtpParameters,
  StreamAddress,
  Subscription,
  ToldNegotiation,
  TopologyUpdate,
  TopologyVertex,
  TransportParameters,
};

const refTo = (name: string): string => `#/components/schemas/${name}`;
export const ref = (name: string): JsonSchema => ({ $ref: refTo(name) });

/**
 * The named schemas of the document: those given, and the shared ones they use. `input` is what clients write (fields with
 * a default may be left out), `output` what they are told; a name that both use must mean the same in both.
 */
export function componentSchemas(
  input: Readonly<Record<string, z.ZodType>>,
  output: Readonly<Record<string, z.ZodType>>,
): Record<string, JsonSchema> {
  const written = convert(input, 'input');
  const told = convert(output, 'output');
  for (const name of Object.keys(written)) {
    if (name in told && JSON.stringify(written[name]) !== JSON.stringify(told[name]))
      throw new Error(`the schema ${name} is not the same when written and when read: give it two names`);
  }
  const all = { ...told, ...written };
  return Object.fromEntries(Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function convert(own: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries({ ...shared, ...own })) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    target: 'draft-7',
    io,
    uri: refTo,
    override: ({ zodSchema, jsonSchema }) => {
      // A newer server may say more than this document knows: only what is strict is closed.
      const { def } = zodSchema._zod;
      if (def.type === 'object' && !(def as z.core.$ZodObjectDef).catchall) delete jsonSchema.additionalProperties;
    },
  });
  const used = reachable(schemas, Object.keys(own));
  return Object.fromEntries(
    [...used].map((id) => {
      const { $schema: _schema, $id: _id, ...schema } = schemas[id]!;
      return [id, schema];
    }),
  );
}

/** The names that the given ones need, themselves included. */
function reachable(schemas: Readonly<Record<string, JsonSchema>>, names: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const [, next] of JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) visit(next!);
  };
  for (const name of names) visit(name);
  return found;
}

/** Protocol flotilla.v1 as AsyncAPI 3.0, made from the schemas that messages are parsed with. */
import { z } from 'zod';
import { closeCodeMeanings, closeCodes } from '../close-codes.ts';
import {
  Address,
  Event,
  maxFrameBytes,
  Request,
  resumeSubprotocolPrefix,
  signalPath,
  subprotocol,
  timeHeader,
  timeSubprotocolPrefix,
  tokenSubprotocolPrefix,
} from '../envelope.ts';
import { ErrorBody, errorCatalogue } from '../errors.ts';
import { Offset, RoomRef } from '../ids.ts';
import { describeRule, requestGrants } from '../request-grants.ts';
import { connectionEvents, type RequestType, signalEvents, type SignalEventType, signalRequests } from '../signal.ts';
import { eventExamples, exampleMoment, requestExamples } from './examples.ts';
import { componentSchemas, ref } from './schemas.ts';

const channel = { $ref: '#/channels/signal' };
const inChannel = (name: string): { $ref: string } => ({ $ref: `#/channels/signal/messages/${name}` });
const entries = <K extends string, V>(table: Readonly<Record<K, V>>): [K, V][] => Object.entries(table) as [K, V][];

const requests = entries<RequestType, (typeof signalRequests)[RequestType]>(signalRequests);
const events = entries<SignalEventType, z.ZodType>(signalEvents);

/** A request with its envelope. `payload` is optional where `{}` is valid. */
function requestFrame(type: RequestType): z.ZodType {
  const spec = signalRequests[type];
  const payload: z.ZodType = spec.payload;
  const { to: _to, ...envelope } = Request.shape;
  const room = z
    .templateLiteral(['room:', RoomRef])
    .describe('The room that the request is about: `room:<id or name>`.');
  const to = { none: {}, room: { to: room }, any: { to: Address } }[spec.to];
  return z.strictObject({
    ...envelope,
    type: z.literal(type),
    ...to,
    payload: (payload.safeParse({}).success ? payload.optional() : payload).describe('Parameters of the request.'),
  });
}

const replyFrame = (type: RequestType): z.ZodType =>
  z.object({
    replyTo: Request.shape.id.describe('`id` of the request.'),
    ok: z.literal(true),
    payload: signalRequests[type].reply.describe('Result of the request.'),
  });

const refusedFrame = z.object({
  replyTo: z.string().nullable().describe('`id` of the request. Null when it could not be read.'),
  ok: z.literal(false),
  error: ErrorBody,
});

const isNumbered = (type: SignalEventType): boolean => !(type in connectionEvents);

function eventFrame(type: SignalEventType, payload: z.ZodType): z.ZodType {
  const { seq: _seq, ...envelope } = Event.shape;
  return z.object({
    ...(isNumbered(type) && { seq: Offset.describe('Position of the event in the stream of `to`.') }),
    ...envelope,
    type: z.literal(type),
    payload: payload.describe('Content of the event.'),
  });
}

function requestMessage(type: RequestType): object {
  const { to, payload } = requestExamples[type];
  return {
    name: type,
    title: type,
    summary: signalRequests[type].summary,
    contentType: 'application/json',
    correlationId: { $ref: '#/components/correlationIds/request' },
    payload: ref(`request.${type}`),
    examples: [{ payload: { id: '7', type, ...(to !== undefined && { to }), payload } }],
  };
}

const replyMessage = (type: RequestType): object => ({
  name: `${type} reply`,
  title: `Reply to ${type}`,
  contentType: 'application/json',
  correlationId: { $ref: '#/components/correlationIds/reply' },
  payload: ref(`reply.${type}`),
  examples: [{ payload: { replyTo: '7', ok: true, payload: requestExamples[type].reply } }],
});

const refusedMessage = {
  name: 'refused',
  title: 'Error reply to any request',
  summary: 'The request failed; `error.code` says why. docs/errors.md has every code with its cure.',
  contentType: 'application/json',
  correlationId: { $ref: '#/components/correlationIds/reply' },
  payload: ref('refused'),
  examples: [
    {
      payload: {
        replyTo: '7',
        ok: false,
        error: { code: 'NOT_IN_ROOM', message: errorCatalogue.NOT_IN_ROOM.meaning },
      },
    },
  ],
  'x-errors': Object.fromEntries(
    entries(errorCatalogue).map(([code, { retry, meaning, cure }]) => [code, { retry, meaning, cure }]),
  ),
};

function eventMessage(type: SignalEventType): object {
  const { summary, from, to, payload } = eventExamples[type];
  const { seq, routedAt } = exampleMoment;
  return {
    name: type,
    title: type,
    summary,
    contentType: 'application/json',
    payload: ref(`event.${type}`),
    examples: [{ payload: { ...(isNumbered(type) && { seq }), type, from, to, routedAt, payload } }],
  };
}

/** Where a client sends its credential: in a header, or, for browsers, as an entry of the subprotocol list. */
const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A join token, from POST /v1/rooms/{room}/tokens. Each opens one session.',
  },
  subprotocol: {
    type: 'httpApiKey',
    in: 'header',
    name: 'Sec-WebSocket-Protocol',
    description: `For browsers, which cannot set headers: beside \`${subprotocol}\` the entry \`${tokenSubprotocolPrefix}<join token>\`, or \`${resumeSubprotocolPrefix}<resume token>\` to resume a session.`,
  },
} as const;

const handshakeHeaders = {
  type: 'object',
  properties: {
    'Sec-WebSocket-Protocol': {
      type: 'string',
      description: `\`${subprotocol}\`, and optionally \`${tokenSubprotocolPrefix}<jwt>\` or \`${resumeSubprotocolPrefix}<token>\`, and \`${timeSubprotocolPrefix}<ms>\`. The server answers with \`${subprotocol}\`.`,
    },
    Authorization: { type: 'string', description: '`Bearer <join token>`.' },
    [timeHeader]: { type: 'string', description: "The client's clock, in milliseconds since the Unix epoch." },
  },
  required: ['Sec-WebSocket-Protocol'],
};

function operations(): object {
  return {
    ...Object.fromEntries(
      requests.map(([type, { summary }]) => [
        type,
        {
          action: 'receive',
          channel,
          title: type,
          summary,
          description: `Grants: ${describeRule(requestGrants[type]) || 'none'}.`,
          messages: [inChannel(`request.${type}`)],
          reply: { channel, messages: [inChannel(`reply.${type}`), inChannel('refused')] },
        },
      ]),
    ),
    ...Object.fromEntries(
      events.map(([type]) => [
        `on_${type}`,
        {
          action: 'send',
          channel,
          title: type,
          summary: eventExamples[type].summary,
          messages: [inChannel(`event.${type}`)],
        },
      ]),
    ),
  };
}

/** The document. Operations are named from the gateway's side: it receives requests and sends events. */
export function asyncApiDocument(): object {
  const messages: Record<string, object> = {
    ...Object.fromEntries(
      requests.flatMap(([type]) => [
        [`request.${type}`, requestMessage(type)],
        [`reply.${type}`, replyMessage(type)],
      ]),
    ),
    refused: refusedMessage,
    ...Object.fromEntries(events.map(([type]) => [`event.${type}`, eventMessage(type)])),
  };
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Flotilla signaling',
      version: '1',
      description: `Protocol ${subprotocol}: requests with one reply each, and events. docs/protocol.md explains it.`,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      gateway: {
        host: 'calls.example',
        protocol: 'wss',
        description: 'Any signaling gateway of the fleet. On a loopback address, ws is accepted.',
        security: Object.keys(securitySchemes).map((name) => ({ $ref: `#/components/securitySchemes/${name}` })),
      },
    },
    channels: {
      signal: {
        address: signalPath,
        description: `One WebSocket. Text frames of JSON, ${maxFrameBytes / 1024} KiB at most.`,
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
        bindings: { ws: { method: 'GET', headers: handshakeHeaders, bindingVersion: '0.1.0' } },
        'x-close-codes': Object.fromEntries(
          entries(closeCodes).map(([name, code]) => [code, { name, meaning: closeCodeMeanings[name] }]),
        ),
      },
    },
    operations: operations(),
    components: {
      schemas: componentSchemas(Object.fromEntries(requests.map(([type]) => [`request.${type}`, requestFrame(type)])), {
        ...Object.fromEntries(requests.map(([type]) => [`reply.${type}`, replyFrame(type)])),
        refused: refusedFrame,
        ...Object.fromEntries(events.map(([type, payload]) => [`event.${type}`, eventFrame(type, payload)])),
      }),
      messages,
      securitySchemes,
      correlationIds: {
        request: {
          location: '$message.payload#/id',
          description: 'Chosen by the client; the reply repeats it as `replyTo`.',
        },
        reply: { location: '$message.payload#/replyTo' },
      },
    },
  };
}

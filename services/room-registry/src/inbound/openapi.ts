import {
  errorCatalogue,
  type ErrorCode,
  maxClockSkewMs,
  namedSchemas,
  reachableSchemas,
  RestError,
  restRoutes,
  signalPath,
  timeHeader,
} from '@flotilla/contracts';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { z } from 'zod';

type Route = {
  [K in keyof typeof restRoutes]: (typeof restRoutes)[K];
}[keyof typeof restRoutes];

/** Errors of any route. A path answers METHOD_NOT_ALLOWED to methods that this document does not list for it. */
const commonErrors: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'METHOD_NOT_ALLOWED',
  'RATE_LIMITED',
  'UNAVAILABLE',
  'INTERNAL',
];

/** Errors of routes that read a body. */
const bodyErrors: readonly ErrorCode[] = ['BAD_PAYLOAD', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];

/** Errors of `GET /v1/signal/validate`, which serves no API key but a token or a resume token. */
const validateErrors: readonly ErrorCode[] = [
  'BAD_MESSAGE',
  'UNAUTHENTICATED',
  'TOKEN_INVALID',
  'TOKEN_EXPIRED',
  'TOKEN_REPLAYED',
  'SESSION_EXPIRED',
  'CLOCK_SKEW',
  'FORBIDDEN',
  'UPGRADE_REQUIRED',
  'TOO_MANY_SESSIONS',
  'RATE_LIMITED',
  'OVERLOADED',
  'UNAVAILABLE',
  'INTERNAL',
];

/** The REST API as OpenAPI 3.1, generated from the schemas that parse its requests. */
export function openApiDocument(): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const [name, route] of Object.entries(restRoutes)) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(name, route) };
  }
  paths[`${signalPath}/validate`] = {
    get: validateOperation,
    servers: [
      { url: '/', description: 'Any signaling gateway. With `npm start` it shares its port with the registry.' },
    ],
  };
  paths['/v1/openapi.json'] = { get: openApiOperation };
  const document = createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Flotilla',
        version: '1',
        description:
          'Rooms, participants, join tokens, SFU nodes and drills. Every error is `{"error": {"code", "message"}}`; docs/errors.md lists the codes with their cures.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [
        { url: '/', description: 'The room registry that serves this document.' },
        { url: 'http://localhost:8080', description: '`npm start`: every service on one port. It prints its API key.' },
      ],
      security: [{ apiKey: [] }],
      components: {
        schemas: namedSchemas,
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'A key whose hash is in FLOTILLA_API_KEYS.' },
          sessionCredential: {
            type: 'apiKey',
            in: 'header',
            name: 'Authorization',
            description: '`Bearer <join token>` or `Resume <resume token>`.',
          },
        },
      },
      paths,
    },
    {
      // Generators refuse `items: false`, with which JSON Schema closes a tuple. Here the elements of a tuple are of one type.
      override: ({ zodSchema, jsonSchema }) => {
        if (zodSchema._zod.def.type !== 'tuple') return;
        const { prefixItems = [] } = jsonSchema as { prefixItems?: object[] };
        Object.assign(jsonSchema, {
          items: prefixItems[0],
          minItems: prefixItems.length,
          maxItems: prefixItems.length,
        });
        delete (jsonSchema as { prefixItems?: unknown }).prefixItems;
      },
    },
  );
  return withUsedSchemas(document as PlainDocument);
}

interface PlainDocument {
  readonly paths: object;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/**
 * Leaves out the schemas that no path uses. `zod-openapi` defines a schema twice where reading and writing differ, the
 * second with the suffix `Output`; the suffix goes where only the second is used.
 */
function withUsedSchemas(document: PlainDocument): object {
  const { schemas } = document.components;
  const used = reachableSchemas(schemas, [document.paths]);
  const kept = Object.fromEntries(
    Object.entries(schemas)
      .filter(([name]) => used.has(name))
      .map(([name, schema]) => [shortName(name), schema]),
  );
  const shortened = { ...document, components: { ...document.components, schemas: kept } };
  return JSON.parse(
    JSON.stringify(shortened).replaceAll(
      /"#\/components\/schemas\/([^"]+)"/g,
      (_ref, name: string) => `"#/components/schemas/${shortName(name)}"`,
    ),
  ) as object;

  function shortName(name: string): string {
    const base = name.replace(/Output$/, '');
    return used.has(base) ? name : base;
  }
}

function operation(operationId: string, route: Route): ZodOpenApiOperationObject {
  const { summary, status, scope } = route;
  const errors = [...route.errors, ...commonErrors, ...('body' in route ? bodyErrors : [])];
  return {
    operationId,
    summary,
    description: `Scope of the API key: \`${scope}\`.`,
    requestParams: {
      ...('params' in route && { path: route.params }),
      ...('query' in route && { query: route.query }),
    },
    ...('body' in route && {
      requestBody: {
        required: !(route.body as z.ZodType).safeParse({}).success,
        content: { 'application/json': { schema: route.body } },
      },
    }),
    responses: {
      [`${status}`]:
        'reply' in route
          ? {
              description: 'Done.',
              content: {
                'application/json': { schema: route.reply },
                ...('textReply' in route && { [route.textReply]: { schema: { type: 'string' } } }),
              },
            }
          : { description: 'Done.' },
      ...errorResponses(errors),
    },
  };
}

const serverClock = {
  headers: z.object({ [timeHeader]: z.string().describe("The server's clock, in milliseconds since the Unix epoch.") }),
};

const validateOperation: ZodOpenApiOperationObject = {
  operationId: 'validateCredential',
  summary:
    'Check a join token or a resume token without using it up. Browsers hide why a WebSocket upgrade was refused; this request returns the reason. Served by the signaling gateways.',
  security: [{ sessionCredential: [] }],
  requestParams: {
    header: z.object({
      [timeHeader]: z
        .string()
        .optional()
        .describe(
          `The client's clock, in milliseconds since the Unix epoch. Refused with CLOCK_SKEW when it differs from the server's by more than ${maxClockSkewMs / 1000} s.`,
        ),
    }),
  },
  responses: {
    '204': {
      description:
        'A connection with this credential would be accepted now: signature, claims, expiry and first use of a join token, or the session of a resume token; limits of connections and sessions, and overload. Whether the token was revoked is not checked.',
      ...serverClock,
    },
    ...errorResponses(validateErrors, serverClock),
  },
};

const openApiOperation: ZodOpenApiOperationObject = {
  operationId: 'getOpenApi',
  summary: 'Get this document.',
  security: [],
  responses: {
    '200': { description: 'Done.', content: { 'application/json': { schema: { type: 'object' } } } },
    ...errorResponses(['METHOD_NOT_ALLOWED', 'INTERNAL']),
  },
};

/** One response per status, listing the codes that it may carry. */
function errorResponses(codes: readonly ErrorCode[], common: object = {}): ZodOpenApiOperationObject['responses'] {
  const byStatus = Map.groupBy(new Set(codes), (code) => errorCatalogue[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      `${status}`,
      {
        description: of.map((code) => `${code}: ${errorCatalogue[code].meaning}`).join('\n\n'),
        content: { 'application/json': { schema: RestError } },
        ...(status === errorCatalogue.METHOD_NOT_ALLOWED.status && {
          headers: z.object({ Allow: z.string().describe('The methods that this path serves.') }),
        }),
        ...common,
      },
    ]),
  );
}

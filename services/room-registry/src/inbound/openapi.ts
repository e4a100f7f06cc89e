import { errorCatalogue, type ErrorCode, RestError, restRoutes } from '@flotilla/contracts';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';

type Route = {
  [K in keyof typeof restRoutes]: (typeof restRoutes)[K];
}[keyof typeof restRoutes];

/** Errors that any route may answer with, and those of all that need a key. */
const commonErrors: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORBIDDEN', 'UNAVAILABLE', 'INTERNAL'];

/** The REST API as OpenAPI 3.1, made from the schemas that requests are parsed with. */
export function openApiDocument(): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const [name, route] of Object.entries(restRoutes)) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(name, route) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Flotilla',
      version: '1',
      description: 'Rooms, participants and join tokens.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ apiKey: [] }],
    components: {
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'One of FLOTILLA_API_KEYS.' } },
    },
    paths,
  });
}

function operation(operationId: string, route: Route): ZodOpenApiOperationObject {
  const { summary, status } = route;
  return {
    operationId,
    summary,
    requestParams: {
      ...('params' in route && { path: route.params }),
      ...('query' in route && { query: route.query }),
    },
    ...('body' in route && { requestBody: { content: { 'application/json': { schema: route.body } } } }),
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
      ...errorResponses([...route.errors, ...commonErrors]),
    },
  };
}

/** One response a status, which says the codes it may carry. */
function errorResponses(codes: readonly ErrorCode[]): ZodOpenApiOperationObject['responses'] {
  const byStatus = Map.groupBy(codes, (code) => errorCatalogue[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      `${status}`,
      {
        description: of.map((code) => `${code}: ${errorCatalogue[code].meaning}`).join('\n\n'),
        content: { 'application/json': { schema: RestError } },
      },
    ]),
  );
}

import { openApiDocument } from '../src/index.ts';

/** A JSON schema as the OpenAPI document has them. */
interface Schema {
  readonly $ref?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly type?: string;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Operation {
  readonly operationId: string;
  readonly security?: readonly object[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface WriteRequest {
  readonly operation: string;
  readonly method: string;
  readonly path: string;
  readonly body: object | undefined;
}

/** Texts for the parameters and fields that name something, such as `room`. */
export type Names = Readonly<Record<string, string>>;

const document = openApiDocument() as OpenApi;
const writeMethods = ['post', 'put', 'patch', 'delete'];

/**
 * A valid request for each write of the OpenAPI document, and for each alternative of its body. Throws for a parameter or a required
 * field whose value `names` does not have and the schema does not imply.
 *
 * @param namesOf called for each request, so that none finds what another one has removed
 */
export async function writeRequests(namesOf: (index: number) => Promise<Names>): Promise<WriteRequest[]> {
  const requests: WriteRequest[] = [];
  for (const [template, operations] of Object.entries(document.paths)) {
    for (const method of writeMethods) {
      const operation = operations[method];
      if (!operation) continue;
      const schema = operation.requestBody?.content['application/json'].schema;
      for (const alternative of schema ? alternatives(schema) : [undefined]) {
        const names = await namesOf(requests.length);
        requests.push({
          operation: operation.operationId,
          method: method.toUpperCase(),
          path: template.replaceAll(/\{(\w+)\}/g, (_, name: string) => named(name, names)),
          body: alternative && (sample(alternative, names, operation.operationId) as object),
        });
      }
    }
  }
  return requests;
}

function resolved(schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : resolved(document.components.schemas[name]!);
}

function alternatives(schema: Schema): readonly Schema[] {
  const { oneOf, anyOf } = resolved(schema);
  return oneOf ?? anyOf ?? [schema];
}

function named(name: string, names: Names): string {
  const value = names[name];
  if (value === undefined) throw new Error(`the test has no value for ${name}: add it to its names`);
  return value;
}

function sample(schema: Schema, names: Names, name: string): unknown {
  const {
    const: constant,
    enum: options,
    type,
    minimum,
    properties = {},
    required = [],
    oneOf,
    anyOf,
  } = resolved(schema);
  if (constant !== undefined) return constant;
  if (options) return options[0];
  const choice = (oneOf ?? anyOf)?.[0];
  if (choice) return sample(choice, names, name);
  switch (type) {
    case 'object':
      return Object.fromEntries(required.map((field) => [field, sample(properties[field]!, names, field)]));
    case 'array':
      return [];
    case 'integer':
    case 'number':
      return minimum ?? 1;
    case 'boolean':
      return true;
    default:
      return named(name, names);
  }
}

/** A schema of a CRD (OpenAPI 3, structural), as far as those of Chaos Mesh use it. */
export interface CrdSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly properties?: Readonly<Record<string, CrdSchema>>;
  readonly additionalProperties?: CrdSchema | boolean;
  readonly required?: readonly string[];
  readonly items?: CrdSchema;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

/** What an API server refuses of a value, and what it would drop in silence: fields that the schema does not have. */
export function crdProblems(value: unknown, schema: CrdSchema, path: string): string[] {
  const { type, properties = {}, additionalProperties, required = [], items, minimum, maximum } = schema;
  if (type !== undefined && typeOf(value) !== type && !(type === 'number' && typeof value === 'number'))
    return [`${path} is ${typeOf(value)}, not ${type}`];
  if (schema.enum && !schema.enum.includes(value)) return [`${path} is none of ${schema.enum.join(', ')}`];
  if (typeof value === 'number' && (value < (minimum ?? -Infinity) || value > (maximum ?? Infinity)))
    return [`${path} is not between ${minimum} and ${maximum}`];
  if (Array.isArray(value))
    return value.flatMap((each, index) => (items ? crdProblems(each, items, `${path}[${index}]`) : []));
  if (typeof value !== 'object' || value === null) return [];
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${path}.${name} is missing`);
  const found = Object.entries(value).flatMap(([name, of]) => {
    const inner = properties[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
    if (inner) return crdProblems(of, inner, `${path}.${name}`);
    const isOpen = schema['x-kubernetes-preserve-unknown-fields'] || additionalProperties === true;
    // The API server knows the fields of metadata itself.
    return isOpen || path.endsWith('.metadata') ? [] : [`${path}.${name} is not in the schema`];
  });
  return [...missing, ...found];
}

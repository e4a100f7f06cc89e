interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** The fields, as paths, that neither they nor the schema they refer to describe. A constant needs no description. */
export function undescribedFields(schemas: Readonly<Record<string, object>>): string[] {
  const isDescribed = ({ description, const: constant, $ref, allOf = [] }: Schema): boolean =>
    description !== undefined ||
    constant !== undefined ||
    ($ref !== undefined && isDescribed(schemas[$ref.split('/').at(-1)!]!)) ||
    allOf.some(isDescribed);
  const visit = (path: string, { properties = {}, items, allOf = [], anyOf = [], oneOf = [] }: Schema): string[] => [
    ...Object.entries(properties).flatMap(([name, field]) => [
      ...(isDescribed(field) ? [] : [`${path}.${name}`]),
      ...visit(`${path}.${name}`, field),
    ]),
    ...(items ? visit(`${path}[]`, items) : []),
    ...[...allOf, ...anyOf, ...oneOf].flatMap((each) => visit(path, each)),
  ];
  return Object.entries(schemas).flatMap(([name, schema]) => visit(name, schema));
}

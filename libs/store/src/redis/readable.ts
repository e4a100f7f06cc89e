import { read } from '@flotilla/contracts';
import type { z } from 'zod';

/**
 * The value of a record (JSON), undefined when this version cannot read it: what a newer version wrote, or a damaged record,
 * hides no other.
 */
export function readable<Schema extends z.ZodType>(schema: Schema, text: string): z.output<Schema> | undefined {
  try {
    return read(schema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

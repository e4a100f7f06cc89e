import { FlotillaError } from '@flotilla/contracts';

/**
 * A record that a pass over many could not handle, because it is damaged. The pass skips it, so that the others are handled, and
 * reports it.
 */
export interface FailedRecord {
  readonly record: string;
  readonly error: unknown;
}

/**
 * Handles each of many records. One that fails is reported and keeps no other from being handled; UNAVAILABLE, which would fail
 * for all, ends the pass.
 *
 * @throws FlotillaError UNAVAILABLE.
 */
export async function forEachRecord(
  records: readonly string[],
  handle: (record: string) => Promise<void>,
): Promise<FailedRecord[]> {
  const failed: FailedRecord[] = [];
  for (const record of records) {
    try {
      await handle(record);
    } catch (error) {
      if (FlotillaError.from(error).code === 'UNAVAILABLE') throw error;
      failed.push({ record, error });
    }
  }
  return failed;
}

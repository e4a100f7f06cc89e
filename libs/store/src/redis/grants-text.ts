import type { Grant } from '@flotilla/contracts';

/**
 * The grants of a session or a member as text: their names, separated by commas, and `bitrate=` with the claim `maxPublishBitrate` if there
 * is one. Readers skip what they do not know.
 */
export const grantsText = (held: {
  readonly grants: readonly Grant[];
  readonly maxPublishBitrate?: number | undefined;
}): string =>
  [...held.grants, ...(held.maxPublishBitrate === undefined ? [] : [`bitrate=${held.maxPublishBitrate}`])].join(',');

/** The grants of a list that a text names, in the order of the list, and the bit rate in it. */
export function parseGrants<T extends Grant>(
  text: string,
  known: readonly T[],
): { grants: T[]; maxPublishBitrate?: number } {
  const words = text.split(',');
  const bitrate = /(?:^|,)bitrate=(\d+)/.exec(text)?.[1];
  return {
    grants: known.filter((grant) => words.includes(grant)),
    ...(bitrate !== undefined && { maxPublishBitrate: Number(bitrate) }),
  };
}

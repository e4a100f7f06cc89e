import { maxPublicationsPerRequest as maxIds } from '@flotilla/contracts';

/** Splits publication ids into lists that fit one request each. */
export function chunks(publicationIds: readonly string[]): string[][] {
  const lists: string[][] = [];
  for (let start = 0; start < publicationIds.length; start += maxIds)
    lists.push(publicationIds.slice(start, start + maxIds));
  return lists;
}

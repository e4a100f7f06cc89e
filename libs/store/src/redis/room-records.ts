import { Member, type MemberWithConnection, PublicationRecord, read, roomGrants } from '@flotilla/contracts';
import { parseGrants } from './grants-text.ts';

/** Splits the first `count` words off a record; see `members` and `publications` in keys.ts. Throws when it has fewer. */
function splitRecord(record: string, count: number): { words: string[]; json: string } {
  const words: string[] = [];
  let rest = record;
  for (let index = 0; index < count; index++) {
    const space = rest.indexOf(' ');
    if (space < 0) throw new Error(`a record has ${count} words in front of its JSON`);
    words.push(rest.slice(0, space));
    rest = rest.slice(space + 1);
  }
  return { words, json: rest };
}

export function parseMember(record: string): Member {
  const { words, json } = splitRecord(record, 3);
  const [nodeId, , held = ''] = words;
  return read(Member, { ...(JSON.parse(json) as object), nodeId, ...parseGrants(held, roomGrants) });
}

/** The members of a room. A record that this version cannot read is left out, so that it does not hide the others. */
export function parseMembers(records: readonly string[], reconnecting: readonly string[]): MemberWithConnection[] {
  const disconnected = new Set(reconnecting);
  return records.flatMap((record) => {
    const member = tolerant(() => parseMember(record));
    return member ? [disconnected.has(member.id) ? { ...member, connection: 'reconnecting' } : member] : [];
  });
}

export function parsePublications(records: readonly string[]): PublicationRecord[] {
  return records.flatMap((record) => {
    const publication = tolerant(() => {
      const { words, json } = splitRecord(record, 1);
      return read(PublicationRecord, { ...(JSON.parse(json) as object), nodeId: words[0] });
    });
    return publication ? [publication] : [];
  });
}

function tolerant<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

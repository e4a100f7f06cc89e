import type { Member, PublicationRecord } from '@flotilla/contracts';
import type { PageLimits } from '../store.ts';
import type { RoomRecord } from './state.ts';

/** The part of a room that a page has. */
interface PagePart {
  readonly members: Map<string, Member>;
  readonly publications: Map<string, PublicationRecord>;
  readonly next: string | undefined;
}

/** The same page as read_page in pages.lua: the members behind a cursor, and at the end `own`, if it is a member. */
export function pagePart(
  { members, positions, publications }: RoomRecord,
  cursor: string,
  limits: PageLimits,
  own?: string,
): PagePart {
  const byMember = Map.groupBy(publications.values(), ({ participantId }) => participantId);
  const bytesOf = (member: Member): number =>
    [member, ...(byMember.get(member.id) ?? [])].reduce<number>(
      (sum, each) => sum + Buffer.byteLength(JSON.stringify(each)),
      0,
    );
  const mine = own === undefined ? undefined : members.get(own);
  const found: Member[] = [];
  const free = limits.members - (mine ? 1 : 0);
  let bytes = mine ? bytesOf(mine) : 0;
  let last = Number(cursor);
  let next: string | undefined;
  for (const member of members.values()) {
    const position = positions.get(member.id)!;
    if (position <= Number(cursor)) continue;
    if (member !== mine) {
      const isFirst = found.length === 0 && !mine;
      bytes += bytesOf(member);
      if (found.length === free || (bytes > limits.bytes && !isFirst)) {
        next = String(last);
        break;
      }
      found.push(member);
    }
    last = position;
  }
  if (mine) found.push(mine);
  return {
    members: new Map(found.map((member) => [member.id, member])),
    publications: new Map(found.flatMap(({ id }) => byMember.get(id) ?? []).map((each) => [each.id, each])),
    next,
  };
}

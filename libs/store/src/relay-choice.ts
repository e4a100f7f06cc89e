import type { RelayView } from '@flotilla/contracts';

/**
 * The relay for a new link: the preferred one while it has capacity, so that a room stays on one relay, else the one with the
 * smallest share of its links in use.
 */
export function chooseRelay(
  relays: readonly RelayView[],
  preferred: string | undefined,
  exclude: readonly string[],
): string | undefined {
  const share = ({ links, capacity }: RelayView): number => links / capacity;
  const open = relays
    .filter(({ id, alive, state }) => alive && state === 'active' && !exclude.includes(id))
    .filter(({ links, capacity }) => links < capacity)
    .sort((a, b) => share(a) - share(b) || (a.id < b.id ? -1 : 1));
  return (open.find(({ id }) => id === preferred) ?? open[0])?.id;
}

/** The relay for a new link, and that of the room, which differ when the client of the link cannot reach the room's (`avoid`). */
export function assignRelay(
  relays: readonly RelayView[],
  preferred: string | undefined,
  exclude: readonly string[],
  avoid: string | undefined,
): { readonly ofLink: string | undefined; readonly ofRoom: string | undefined } {
  const ofRoom = chooseRelay(relays, preferred, exclude);
  if (ofRoom === undefined || ofRoom !== avoid) return { ofLink: ofRoom, ofRoom };
  return { ofLink: chooseRelay(relays, undefined, [...exclude, avoid]), ofRoom };
}

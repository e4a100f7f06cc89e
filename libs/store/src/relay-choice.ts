import { FlotillaError, type RelayView } from '@flotilla/contracts';

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

/**
 * The relay for a new link, and that of the room, which differ when the client of the link cannot reach the room's (`avoid`). Throws
 * NO_CAPACITY.
 */
export function assignRelay(
  relays: readonly RelayView[],
  preferred: string | undefined,
  exclude: readonly string[],
  avoid: string | undefined,
): { readonly ofLink: string; readonly ofRoom: string } {
  const ofRoom = chooseRelay(relays, preferred, exclude);
  const ofLink =
    ofRoom !== undefined && ofRoom === avoid ? chooseRelay(relays, undefined, [...exclude, avoid]) : ofRoom;
  if (ofRoom === undefined || ofLink === undefined)
    throw new FlotillaError('NO_CAPACITY', 'no metadata relay takes another link');
  return { ofLink, ofRoom };
}

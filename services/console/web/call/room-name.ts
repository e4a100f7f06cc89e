import { cleanText, RoomName } from '@flotilla/contracts';

/** Turns typed text into a room name: `Team Café ` becomes `team-cafe-`. Other characters stay for `roomNameProblem`. */
export function tidyRoomName(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .trimStart()
    .replace(/\s+/g, '-');
}

/** Explains to the user why a room name is invalid; undefined when it is valid. */
export function roomNameProblem(name: string): string | undefined {
  if (RoomName.safeParse(name).success) return undefined;
  if (name === '') return 'Enter the name of a room.';
  const invalid = [...new Set(name.match(/[^a-z0-9_-]/gu))].slice(0, 3);
  if (invalid.length > 0) return `Use only a–z, 0–9, “-” and “_”. Not allowed: ${invalid.join(' ')}`;
  if (name.startsWith('rm_')) return 'A room name can’t start with “rm_”; room ids do.';
  if (name.length > 63) return `A room name has at most 63 characters; this one has ${name.length}.`;
  return 'Start the name with a letter or a digit.';
}

export function displayNameProblem(name: string): string | undefined {
  const { length } = cleanText(name);
  if (length === 0) return 'Enter your name. Others in the call see it.';
  return length > 64 ? 'A name has at most 64 characters.' : undefined;
}

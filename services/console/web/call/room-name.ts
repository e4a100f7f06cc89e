import { RoomName } from '@flotilla/contracts';

/** What was probably meant: `Team Café ` is `team-cafe-`. What can't be guessed is left for `roomNameProblem` to name. */
export function tidyRoomName(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .trimStart()
    .replace(/\s+/g, '-');
}

/** What is wrong with a room's name, in words for the person who typed it; undefined when nothing is. */
export function roomNameProblem(name: string): string | undefined {
  if (RoomName.safeParse(name).success) return undefined;
  if (name === '') return 'Enter the name of a room.';
  const odd = [...new Set(name.match(/[^a-z0-9_-]/gu))].slice(0, 3);
  if (odd.length > 0) return `Use only a–z, 0–9, “-” and “_”. Not allowed: ${odd.join(' ')}`;
  if (name.startsWith('rm_')) return 'A name can’t start with “rm_”: that is how room ids begin.';
  if (name.length > 63) return `At most 63 characters; this has ${name.length}.`;
  return 'Start with a letter or a digit.';
}

export function displayNameProblem(name: string): string | undefined {
  if (name.trim() === '') return 'Enter your name, so that the others know you.';
  return name.trim().length > 64 ? 'At most 64 characters.' : undefined;
}

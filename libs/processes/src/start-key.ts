import type { Child } from './child.ts';

/** Returns the API key that a standalone without configured keys made for this start. */
export async function startKeyOf(standalone: Child): Promise<string> {
  const [, key = ''] = await standalone.line(/^ *export FLOTILLA_API_KEY=(\S+)$/);
  return key;
}

import { Refused } from '../driver.ts';
import type { Kubectl } from './kubectl.ts';

/** Label of a namespace in which experiments may run. */
export const permission = { label: 'chaos.flotilla.dev/permitted', value: 'true' } as const;

/**
 * Checks that a namespace permits experiments.
 *
 * @throws Refused with the command that permits them.
 */
export async function requirePermission(kubectl: Pick<Kubectl, 'get'>, namespace: string): Promise<void> {
  const { metadata } = await kubectl.get<{ metadata: { labels?: Record<string, string> } }>(['namespace', namespace]);
  if (metadata.labels?.[permission.label] === permission.value) return;
  throw new Refused(
    `the namespace ${namespace} does not permit experiments. Permit them with: kubectl label namespace ${namespace} ${permission.label}=${permission.value} (or --yes for this run)`,
  );
}

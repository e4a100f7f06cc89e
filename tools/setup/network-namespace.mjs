// A network namespace has an address that is neither loopback, on which Firefox takes no media, nor on a network.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** Runs the command that its arguments are in a namespace of its own. */
export const inNetworkNamespace = join(root, 'tools', 'in-network-namespace.sh');

/** Why this system makes no network namespace, and what to do. Undefined if it does. */
export function namespaceProblem() {
  if (process.platform !== 'linux') return 'Firefox needs a network namespace, and only Linux has them';
  const unshare = process.getuid?.() === 0 ? ['--net'] : ['--map-root-user', '--net'];
  const { status, stderr, error } = spawnSync('unshare', [...unshare, 'true'], { encoding: 'utf8' });
  if (status === 0) return undefined;
  const reason = (error?.message ?? stderr).trim();
  return `Firefox needs a network namespace, and this system makes none (${reason}): run as root, or allow user namespaces`;
}

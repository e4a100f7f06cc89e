import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** An end of a connection as the kernel writes it. A socket for both versions of IP has IPv4 addresses in their IPv6 form. */
const written = (address: string, port: number): string[] => {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  if (address === '::1') return [`00000000000000000000000001000000${suffix}`];
  const bytes = Buffer.from(address.split('.').map(Number).toReversed());
  const word = bytes.toString('hex').toUpperCase();
  return [`${word}${suffix}`, `0000000000000000FFFF0000${word}${suffix}`];
};

/** State of a connection that neither end has closed. Of others the kernel may have forgotten the owner, and then writes 0. */
const established = '01';

/**
 * The id of the user who owns the other end of a connection within this machine, at a loopback address. Undefined when none of the tables
 * has it.
 *
 * @param tables `/proc/net/tcp` and `/proc/net/tcp6`: a row has its number, local and remote address, state, three columns of queues
 *   and timers, and the user.
 */
export function ownerIn(
  tables: readonly string[],
  { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 }: Partial<Socket>,
): number | undefined {
  const [theirs, ours] = [written(remoteAddress, remotePort), written(localAddress, localPort)];
  for (const line of tables.join('\n').split('\n')) {
    const [, local = '', remote = '', state, , , , uid] = line.trim().split(/\s+/);
    if (state === established && theirs.includes(local) && ours.includes(remote)) return Number(uid);
  }
  return undefined;
}

/** The users whose connections are those of the user who started this process: that user, and root. */
function ownUsers(): number[] {
  const { SUDO_UID } = process.env;
  return [0, process.getuid!(), ...(SUDO_UID === undefined ? [] : [Number(SUDO_UID)])];
}

/**
 * Whether the program at the other end of a connection is run by the user who started this process. Only Linux tells; elsewhere every
 * program of the machine passes.
 */
export async function isOfOwnUser(socket: Socket): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const tables = await Promise.all(
    // Without IPv6 there is no second table.
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  const owner = ownerIn(tables, socket);
  return owner !== undefined && ownUsers().includes(owner);
}

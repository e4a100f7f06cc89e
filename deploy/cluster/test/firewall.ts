import { command, nodeAddress } from '@flotilla/cluster';

export const machines = [1, 2, 3];
const table = 'firewall';
const nodes = `{${machines.map(nodeAddress).join(', ')}}`;

/** Lets this machine, on which the browsers run, send to the IPv4 addresses of the nodes over the given protocols and ports alone. */
export async function allowOnly(ports: Readonly<Partial<Record<'tcp' | 'udp', readonly number[]>>>): Promise<void> {
  const allowed = Object.entries(ports).map(
    ([protocol, numbers]) => `ip daddr ${nodes} ${protocol} dport {${numbers.join(', ')}} accept`,
  );
  const rules = [...allowed, `ip daddr ${nodes} reject`].join('\n');
  const input = `table inet ${table} { chain out { type filter hook output priority 0; policy accept;\n${rules}\n}\n}\n`;
  await allowAll();
  await command('/usr/sbin/nft', ['-f', '-'], { input });
}

export const allowAll = (): Promise<unknown> =>
  command('/usr/sbin/nft', ['-f', '-'], { input: `table inet ${table}\ndelete table inet ${table}` });

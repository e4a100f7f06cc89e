// Rules of nftables for the network namespace of a pod. The kernel has no netem, so loss is a rule and delay a relay in user space.

/** The table of an experiment; deleting it undoes everything. */
export const table = 'flotilla_chaos';

export const deleteTable = `delete table inet ${table}\n`;

export interface Loss {
  /** Share of lost packets, 0 to 1. */
  readonly share: number;
  readonly direction: 'to' | 'from' | 'both';
  /** IPv4 addresses of the other end. Undefined: everything but the loopback interface. */
  readonly addresses: readonly string[] | undefined;
}

const perMillion = 1_000_000;

/** Rules that drop a share of the packets. */
export function lossRules({ share, direction, addresses }: Loss): string {
  const chance = share >= 1 ? '' : `numgen random mod ${perMillion} < ${Math.round(share * perMillion)} `;
  const rule = (hook: 'output' | 'input'): string => {
    const [address, device] = hook === 'output' ? ['daddr', 'oifname'] : ['saddr', 'iifname'];
    const match = addresses ? `ip ${address} { ${addresses.join(', ')} }` : `${device} != "lo"`;
    return `  chain ${hook} { type filter hook ${hook} priority 0; policy accept; ${match} ${chance}drop; }\n`;
  };
  const hooks = [
    ...(direction === 'from' ? [] : ['output' as const]),
    ...(direction === 'to' ? [] : ['input' as const]),
  ];
  return `table inet ${table} {\n${hooks.map(rule).join('')}}\n`;
}

/** A path whose connections are led through a relay in the network namespace of the pod. */
export interface RelayedPath {
  /** Where the relay leads, or, of a server in the pod, 127.0.0.1. */
  readonly host: string;
  readonly port: number;
  /** The port of the relay. */
  readonly relayPort: number;
  /** Whether the pod serves the port, and others connect to it. */
  readonly isServer: boolean;
}

/**
 * Rules that lead new connections through relays, and reset the open ones, which would go past them. Processes of root, as the relay,
 * are left alone; the services run as another user.
 */
export function relayRules(paths: readonly RelayedPath[]): string {
  const clients = paths.filter(({ isServer }) => !isServer);
  const servers = paths.filter(({ isServer }) => isServer);
  const redirected = clients.map(
    ({ host, port, relayPort }) =>
      `    meta skuid != 0 ip daddr ${host} tcp dport ${port} redirect to :${relayPort};\n`,
  );
  const received = servers.map(
    ({ port, relayPort }) => `    iifname != "lo" tcp dport ${port} redirect to :${relayPort};\n`,
  );
  const reset = clients.map(
    ({ host, port }) => `    meta skuid != 0 ip daddr ${host} tcp dport ${port} reject with tcp reset;\n`,
  );
  return `table inet ${table} {
  chain redirect_out { type nat hook output priority -100; policy accept;
${redirected.join('')}  }
  chain redirect_in { type nat hook prerouting priority -100; policy accept;
${received.join('')}  }
  chain reset { type filter hook output priority 0; policy accept;
${reset.join('')}  }
}
`;
}

import type { Component } from '../../manifests/schema.ts';
import type { Fault } from '../../manifests/faults.ts';
import type { TcpImpairment, TcpRelay } from '../../network/tcp-relay.ts';

/** A path between a process and a server, through a relay. */
export interface Link {
  /** The process that connects; undefined: everybody who uses the server. */
  readonly client: string | undefined;
  readonly clientComponent: Component | undefined;
  readonly server: Component;
  readonly relay: Pick<TcpRelay, 'impair'>;
}

export type PathFault = Extract<Fault, { kind: 'delay' | 'loss' | 'partition' }>;

interface Impaired {
  readonly link: Link;
  readonly change: Partial<TcpImpairment>;
}

/**
 * What a fault changes on the links.
 *
 * @param names the processes that it hits.
 */
export function impairedLinks(fault: PathFault, names: ReadonlySet<string>, links: readonly Link[]): Impaired[] {
  const { on, target, direction } = fault;
  return links.flatMap((link): Impaired[] => {
    const isClient = link.client !== undefined && names.has(link.client);
    const isServer = link.server === on.component;
    const other = isClient ? link.server : isServer ? link.clientComponent : undefined;
    if (!isClient && !isServer) return [];
    if (target && target.component !== other) return [];
    // Whatever the direction: without the packets of one, TCP delivers nothing in the other but what is in flight.
    if (fault.kind !== 'delay') return [{ link, change: { blocked: true } }];
    const delay = { latencyMs: fault.latencyMs, jitterMs: fault.jitterMs };
    const [egress, ingress] = isClient ? (['up', 'down'] as const) : (['down', 'up'] as const);
    return [
      {
        link,
        change: {
          ...(direction !== 'from' && { [egress]: delay }),
          ...(direction !== 'to' && { [ingress]: delay }),
        },
      },
    ];
  });
}

import type { Fault } from '../../manifests/faults.ts';

const instead = 'Use --cluster, or --context NAME with Chaos Mesh.';

/** Components all of whose connections go through relays. */
const behindRelays = new Set(['registry', 'autoscaler', 'redis', 'rabbitmq']);

/** Why the fleet of processes cannot carry out a fault; undefined when it can. */
export function fleetRefusal(fault: Fault): string | undefined {
  switch (fault.kind) {
    case 'pod-kill':
    case 'pod-failure':
    case 'container-kill':
      return undefined;
    case 'loss':
      return `a relay of TCP connections cannot lose packets. ${instead}`;
    case 'delay':
    case 'partition': {
      const { on, target } = fault;
      if (target || behindRelays.has(on.component ?? '')) return undefined;
      return `clients reach ${on.component ?? 'Flotilla'} without a relay, so only its paths to Redis and RabbitMQ can be impaired. ${instead}`;
    }
    case 'cpu':
    case 'memory':
      return `the processes have no cgroups of their own, so the load would hit all of them and the live calls. ${instead}`;
    case 'clock':
      return 'the processes share the clock of this machine, and no setting of the services moves theirs. Use --context NAME with Chaos Mesh.';
    case 'dns':
      return `the processes connect to addresses and resolve no names. ${instead}`;
  }
}

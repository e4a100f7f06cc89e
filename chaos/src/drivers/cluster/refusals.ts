import type { Fault } from '../../manifests/faults.ts';
import type { Component } from '../../manifests/schema.ts';

const instead = 'Use --context NAME with Chaos Mesh.';
const brokers: ReadonlySet<Component | undefined> = new Set(['redis', 'rabbitmq'] as const);
/** Services all of whose paths are TCP. */
const overTcp: ReadonlySet<Component | undefined> = new Set(['registry', 'autoscaler'] as const);

/** Why the cluster of this machine cannot carry out a fault; undefined when it can. */
export function clusterRefusal(fault: Fault): string | undefined {
  const { component, mode } = fault.on;
  const isOfBroker = brokers.has(component);
  const needsPod = 'Redis and RabbitMQ run outside its nodes, where no pod is selected. Use --fleet.';
  switch (fault.kind) {
    case 'pod-kill':
    case 'pod-failure':
    case 'container-kill':
    case 'cpu':
      return isOfBroker ? needsPod : undefined;
    case 'loss':
    case 'partition':
      return isOfBroker ? needsPod : undefined;
    case 'delay':
      if (brokers.has(fault.target?.component) || (!fault.target && overTcp.has(component))) return undefined;
      if (isOfBroker && !fault.target) return undefined;
      return `the kernel has no netem, so only connections over TCP to brokers and to the registry can be delayed. ${instead}`;
    case 'memory':
      return `it has no process that takes a given amount of memory in a pod. ${instead}`;
    case 'clock':
      return `its nodes share the clock of this machine. ${instead}`;
    case 'dns':
      if (component === undefined && mode === 'all' && fault.patterns.length === 0) return undefined;
      return `its DNS server can only be stopped for every pod and every name. ${instead}`;
  }
}

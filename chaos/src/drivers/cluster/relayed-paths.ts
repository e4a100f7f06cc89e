import type { Fault } from '../../manifests/faults.ts';
import type { RelayedPath } from './firewall.ts';

const firstRelayPort = 15_001;
/** The port of the REST API in a pod of the registry. */
const restPort = 8081;

/** Components that connect to neither broker. */
const withoutBrokers = new Set(['console', 'turn']);

/**
 * The paths of a pod that a delay concerns.
 *
 * @param component of the pod.
 */
export function relayedPaths(
  component: string | undefined,
  { on, target }: Extract<Fault, { kind: 'delay' }>,
  brokers: { readonly host: string; readonly ports: Readonly<Record<'redis' | 'rabbitmq', number>> },
): RelayedPath[] {
  const isOfBroker = on.component === 'redis' || on.component === 'rabbitmq';
  const other = isOfBroker ? on.component : target?.component;
  const names = (['redis', 'rabbitmq'] as const).filter(
    (name) => !withoutBrokers.has(component ?? '') && (other === undefined || other === name),
  );
  const clients = names.map((name, index) => ({
    host: brokers.host,
    port: brokers.ports[name],
    relayPort: firstRelayPort + index,
    isServer: false,
  }));
  if (component !== 'registry' || isOfBroker || target) return clients;
  return [
    ...clients,
    { host: '127.0.0.1', port: restPort, relayPort: firstRelayPort + clients.length, isServer: true },
  ];
}

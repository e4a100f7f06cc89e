// Names, addresses and paths of the cluster. All addresses are inside network namespaces of the cluster.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Prefix of the cluster's network namespaces and cgroups. */
export const clusterName = 'flotilla';

/** Everything that the cluster writes. Unix sockets inside need a short path. */
export const stateDirectory = '/tmp/flotilla-cluster';

/** The control plane's address on the nodes' network. The API server, DNS and the brokers listen there. */
export const controlPlaneAddress = '10.77.0.1';
export const controlPlaneIpv6 = 'fd77::1';
export const apiServerUrl = `https://${controlPlaneAddress}:6443`;
/** The API server on this machine's loopback interface. */
export const localApiPort = 16_443;
/** IPv4 first: a Service without wishes has an address of the first family. */
export const serviceNetworks = '10.99.0.0/16,fd99::/112';
export const apiServiceAddress = '10.99.0.1';
export const podNetworks = '10.88.0.0/16,fd88::/48';
/** A machine outside the cluster with a route to the nodes, as a client of the calls has. */
export const clientAddress = '10.77.0.100';
export const clientIpv6 = 'fd77::100';

/** A node by its number, from 1. */
export const nodeName = (number: number): string => `n${number}`;
export const nodeAddress = (number: number): string => `10.77.0.${10 + number}`;
export const nodeIpv6 = (number: number): string => `fd77::${10 + number}`;
export const podNetworkOf = (number: number): string => `10.88.${number}.0/24`;
export const podIpv6NetworkOf = (number: number): string => `fd88:0:0:${number}::/64`;

export const maxNodes = 5;

/** Path of a network namespace. */
export const namespacePath = (name: string): string => `/run/netns/${name}`;
export const controlPlaneNamespace = `${clusterName}-control-plane`;
export const clientNamespace = `${clusterName}-client`;
export const nodeNamespace = (number: number): string => `${clusterName}-${nodeName(number)}`;

const cacheDirectory =
  process.env['FLOTILLA_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'flotilla');

/** The directory of the Kubernetes programs. `npm run cluster` builds them there and sets the variable. */
export const programsDirectory = process.env['CLUSTER_PROGRAMS'] ?? join(cacheDirectory, 'kubernetes');
export const program = (name: string): string => join(programsDirectory, name);

export const statePath = (...parts: string[]): string => join(stateDirectory, ...parts);
/** The kubeconfig for use inside the cluster's network, and the one for this machine. */
export const insideKubeconfig = statePath('keys', 'admin-inside.conf');
export const kubeconfig = statePath('keys', 'admin.conf');

/** The Kubernetes namespace of Flotilla. */
export const namespace = 'flotilla';

/** Ports of every node that lead to Flotilla's services; a load balancer on 127.0.0.1 has the same ones. */
export const servicePorts = { gateway: 30_080, registry: 30_081, console: 30_082 } as const;
const serviceUrl = (service: keyof typeof servicePorts): string => `http://localhost:${servicePorts[service]}`;

/** The gateway that runs on a node, for the client's machine; a load balancer would choose one. */
export const gatewayUrlOf = (node: number): string => `http://${nodeAddress(node)}:${servicePorts.gateway}`;
export const registryUrl = serviceUrl('registry');
export const pageUrl = serviceUrl('console');

import { readFileSync, writeFileSync } from 'node:fs';
import { backgroundPid, logFile, startInBackground } from './background.ts';
import { keyPath } from './certificates.ts';
import { inNetwork } from './command.ts';
import { apply, kubectl } from './kubectl.ts';
import { accepts } from './network.ts';
import {
  apiServerUrl,
  controlPlaneAddress,
  controlPlaneNamespace,
  insideKubeconfig,
  localApiPort,
  namespacePath,
  program,
  serviceNetworks,
  statePath,
} from './settings.ts';
import { waitUntil } from './wait-until.ts';

/** The programs of the control plane by the names under which they run in the background. */
export const controlPlaneParts = [
  'etcd',
  'api-server',
  'controller-manager',
  'scheduler',
  'dns',
  'metrics-server',
] as const;
export type ControlPlanePart = (typeof controlPlaneParts)[number];

const dnsReadyPort = 8181;

const key = (name: string): readonly string[] => [keyPath(`${name}.crt`), keyPath(`${name}.key`)];

/** Starts a program in the control plane's network. */
function start(part: ControlPlanePart, name: string, args: readonly string[]): void {
  startInBackground(part, ...inNetwork(namespacePath(controlPlaneNamespace), program(name), args));
}

/** Starts etcd and the API server, and what follows the API server once it answers. */
export async function startControlPlane(): Promise<void> {
  const etcd = 'http://127.0.0.1:2379';
  start('etcd', 'etcd', [
    ...['--data-dir', statePath('etcd'), '--unsafe-no-fsync', '--log-level', 'warn'],
    ...['--listen-client-urls', etcd, '--advertise-client-urls', etcd, '--listen-peer-urls', 'http://127.0.0.1:2380'],
  ]);
  startApiServer(etcd);
  startInBackground('forward-api', program('forward'), [
    namespacePath(controlPlaneNamespace),
    `127.0.0.1:${localApiPort}`,
    new URL(apiServerUrl).host,
  ]);
  await apiServerReady();
  // Before that there is no RBAC: the controller manager would be refused and exit.
  startControllers();
  startDns();
  await startMetricsServer();
  await accepts(controlPlaneAddress, dnsReadyPort);
}

function startApiServer(etcd: string): void {
  const [certificate, privateKey] = key('api-server');
  const [kubeletCertificate, kubeletKey] = key('kubelet-client');
  const [proxyCertificate, proxyKey] = key('front-proxy');
  const settings = {
    'etcd-servers': etcd,
    'advertise-address': controlPlaneAddress,
    'secure-port': new URL(apiServerUrl).port,
    'tls-cert-file': certificate,
    'tls-private-key-file': privateKey,
    'client-ca-file': keyPath('ca.crt'),
    'service-cluster-ip-range': serviceNetworks,
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': keyPath('service-account.pub'),
    'service-account-signing-key-file': keyPath('service-account.key'),
    'kubelet-client-certificate': kubeletCertificate,
    'kubelet-client-key': kubeletKey,
    'kubelet-preferred-address-types': 'InternalIP',
    'requestheader-client-ca-file': keyPath('ca.crt'),
    'requestheader-allowed-names': 'front-proxy',
    'requestheader-username-headers': 'X-Remote-User',
    'requestheader-group-headers': 'X-Remote-Group',
    'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
    'proxy-client-cert-file': proxyCertificate,
    'proxy-client-key-file': proxyKey,
    'enable-aggregator-routing': 'true',
    'allow-privileged': 'true',
    // A pod leaves a dead node 5 s after the node is found dead, instead of 5 min: a test cannot wait that long.
    'default-not-ready-toleration-seconds': '5',
    'default-unreachable-toleration-seconds': '5',
  };
  start(
    'api-server',
    'kube-apiserver',
    Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
  );
}

export async function apiServerReady(): Promise<void> {
  await waitUntil('the API server is ready', 60_000, async () => {
    if (backgroundPid('api-server') === undefined)
      throw new Error(`it ended: ${readFileSync(logFile('api-server'), 'utf8').slice(-2000)}`);
    await kubectl(['get', '--raw', '/readyz'], { timeoutMs: 5000 });
  });
}

/** The options that give a program its identity. */
function identity(name: string): readonly string[] {
  const file = keyPath(`${name}.conf`);
  return ['--kubeconfig', file, '--authentication-kubeconfig', file, '--authorization-kubeconfig', file];
}

function startControllers(): void {
  start('controller-manager', 'kube-controller-manager', [
    ...identity('kube-controller-manager'),
    ...['--leader-elect=false', '--use-service-account-credentials', '--root-ca-file', keyPath('ca.crt')],
    ...['--service-account-private-key-file', keyPath('service-account.key')],
    ...['--cluster-signing-cert-file', keyPath('ca.crt'), '--cluster-signing-key-file', keyPath('ca.key')],
    // Default: 5 s and 40 s. A node is found dead after 8 s here.
    ...['--node-monitor-period', '1s', '--node-monitor-grace-period', '8s'],
    // Defaults: 15 s, 5 min, 30 s and 5 min.
    ...['--horizontal-pod-autoscaler-sync-period', '5s', '--horizontal-pod-autoscaler-downscale-stabilization', '10s'],
    ...['--horizontal-pod-autoscaler-initial-readiness-delay', '5s'],
    ...['--horizontal-pod-autoscaler-cpu-initialization-period', '10s'],
  ]);
  start('scheduler', 'kube-scheduler', [...identity('kube-scheduler'), '--leader-elect=false']);
}

function startDns(): void {
  const file = statePath('Corefile');
  writeFileSync(
    file,
    `.:53 {
  errors
  health ${controlPlaneAddress}:8080
  ready ${controlPlaneAddress}:${dnsReadyPort}
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${insideKubeconfig}
    ttl 5
    pods insecure
  }
  cache 5
  loadbalance
}
`,
  );
  start('dns', 'coredns', ['-conf', file]);
}

/** The metrics server runs outside the nodes: a Service without selector leads to it. */
async function startMetricsServer(): Promise<void> {
  const name = 'metrics-server';
  const namespace = 'kube-system';
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { ports: [{ name: 'https', port: 443, targetPort: 4443 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'https', port: 4443, protocol: 'TCP' }],
      endpoints: [{ addresses: [controlPlaneAddress], conditions: { ready: true } }],
    },
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.metrics.k8s.io' },
      spec: {
        group: 'metrics.k8s.io',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { name, namespace },
      },
    },
  ]);
  const [certificate, privateKey] = key(name);
  start('metrics-server', 'metrics-server', [
    ...['--kubeconfig', insideKubeconfig, '--authentication-kubeconfig', insideKubeconfig],
    ...['--authorization-kubeconfig', insideKubeconfig, '--secure-port', '4443'],
    ...['--tls-cert-file', certificate!, '--tls-private-key-file', privateKey!, '--kubelet-insecure-tls'],
    ...['--kubelet-preferred-address-types', 'InternalIP', '--kubelet-request-timeout', '5s'],
    ...['--metric-resolution', '10s'],
  ]);
}

// What is installed: the services of Flotilla as Deployments, with the brokers outside the nodes.
import { brokerPorts } from './brokers.ts';
import { controlPlaneAddress, gatewayUrl, namespace, pageUrl, servicePorts } from './settings.ts';

export interface Secrets {
  readonly tokenSecret: string;
  readonly apiKey: string;
}

interface Workload {
  /** Name of the component: of the Deployment with the prefix flotilla-. */
  readonly component: string;
  /** Service of the image that it runs. Default: the component. */
  readonly service?: string;
  readonly replicas: number;
  readonly env: readonly object[];
  readonly ports?: readonly object[];
  readonly graceSeconds: number;
  /** Seconds between the end of the pod's endpoints and SIGTERM. */
  readonly preStopSeconds?: number;
  /** The pod takes a port of its node: one pod a node, and an old one makes room before a new one starts. */
  readonly ownsNodePort?: boolean;
}

const image = process.env['FLOTILLA_IMAGE'] ?? 'flotilla/flotilla:0.1.0';
const secretName = 'flotilla';
const labels = (component: string): Record<string, string> => ({
  'app.kubernetes.io/name': 'flotilla',
  'app.kubernetes.io/component': component,
});

const value = (name: string, text: string): object => ({ name, value: text });
const field = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const secret = (name: string): object => ({ name, valueFrom: { secretKeyRef: { name: secretName, key: name } } });

const brokers = [
  value('REDIS_URL', `redis://redis:${brokerPorts.redis}`),
  value('AMQP_URL', `amqp://guest:guest@rabbitmq:${brokerPorts.rabbitmq}`),
];

const securityContext = {
  runAsNonRoot: true,
  runAsUser: 10_001,
  runAsGroup: 10_001,
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

const probe = (path: string, periodSeconds: number, failureThreshold: number): object => ({
  httpGet: { path, port: 'admin' },
  periodSeconds,
  failureThreshold,
});

function deployment(workload: Workload): object {
  const { component, service = component, replicas, env, ports = [], graceSeconds, preStopSeconds } = workload;
  const { ownsNodePort = false } = workload;
  const onOneNode = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels(component) } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: `flotilla-${component}`, namespace, labels: labels(component) },
    spec: {
      replicas,
      selector: { matchLabels: labels(component) },
      strategy: {
        type: 'RollingUpdate',
        rollingUpdate: ownsNodePort ? { maxUnavailable: 1, maxSurge: 0 } : { maxUnavailable: 0, maxSurge: 1 },
      },
      template: {
        metadata: { labels: labels(component) },
        spec: {
          terminationGracePeriodSeconds: graceSeconds,
          enableServiceLinks: false,
          automountServiceAccountToken: false,
          ...(ownsNodePort
            ? { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [onOneNode] } } }
            : { topologySpreadConstraints: [{ maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway', ...onOneNode }] }),
          containers: [
            {
              name: service,
              image,
              imagePullPolicy: 'IfNotPresent',
              command: ['flotilla', service],
              env,
              ports: [...ports, { name: 'admin', containerPort: 9464 }],
              securityContext,
              ...(preStopSeconds !== undefined && { lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } } }),
              startupProbe: probe('/startupz', 1, 60),
              readinessProbe: probe('/readyz', 1, 1),
              livenessProbe: probe('/livez', 5, 3),
              resources: { requests: { cpu: '50m', memory: '96Mi' }, limits: { memory: '512Mi' } },
            },
          ],
        },
      },
    },
  };
}

/** UDP and TCP at the same port of the node, as it is announced to clients. */
const nodePort = (port: number): object[] =>
  ['UDP', 'TCP'].map((protocol) => ({ name: protocol.toLowerCase(), containerPort: port, hostPort: port, protocol }));

const http = (containerPort: number): object[] => [{ name: 'http', containerPort }];

const mediaPort = 40_000;
const relayPort = 40_100;

const workloads: readonly Workload[] = [
  {
    component: 'gateway',
    replicas: 2,
    env: [
      ...brokers,
      secret('FLOTILLA_TOKEN_SECRET'),
      value('FLOTILLA_ALLOW_PLAIN', 'true'),
      value('FLOTILLA_ALLOWED_ORIGINS', pageUrl),
    ],
    ports: http(8080),
    graceSeconds: 40,
    preStopSeconds: 5,
  },
  {
    component: 'registry',
    replicas: 2,
    env: [...brokers, secret('FLOTILLA_TOKEN_SECRET'), secret('FLOTILLA_API_KEYS')],
    ports: http(8081),
    graceSeconds: 30,
  },
  { component: 'autoscaler', replicas: 2, env: brokers, graceSeconds: 30 },
  {
    component: 'console',
    replicas: 2,
    env: [
      value('FLOTILLA_CONSOLE_OPEN', 'true'),
      value('FLOTILLA_REGISTRY_URL', 'http://flotilla-registry:8081'),
      secret('FLOTILLA_API_KEY'),
      value('FLOTILLA_SIGNAL_URL', gatewayUrl),
    ],
    ports: http(8082),
    graceSeconds: 30,
  },
  {
    component: 'relay',
    service: 'metadata-relay',
    replicas: 2,
    env: [
      ...brokers,
      field('FLOTILLA_RELAY_LISTEN_IPS', 'status.podIP'),
      field('FLOTILLA_RELAY_ANNOUNCED_ADDRESS', 'status.hostIP'),
      value('FLOTILLA_RELAY_PORT', String(relayPort)),
    ],
    ports: nodePort(relayPort),
    graceSeconds: 45,
    ownsNodePort: true,
  },
  {
    component: 'sfu',
    service: 'sfu-worker',
    replicas: 3,
    env: [
      ...brokers,
      field('POD_NAME', 'metadata.name'),
      value('FLOTILLA_NODE_ID', 'nd_$(POD_NAME)'),
      field('FLOTILLA_SFU_LISTEN_IPS', 'status.podIP'),
      field('FLOTILLA_SFU_ANNOUNCED_ADDRESS', 'status.hostIP'),
      field('FLOTILLA_SFU_PIPE_IP', 'status.podIP'),
      value('FLOTILLA_SFU_WORKERS', '1'),
      value('FLOTILLA_SFU_PORT_BASE', String(mediaPort)),
      value('FLOTILLA_DRAIN_SECONDS', '40'),
      value('FLOTILLA_SHUTDOWN_SECONDS', '50'),
    ],
    ports: nodePort(mediaPort),
    graceSeconds: 60,
    ownsNodePort: true,
  },
];

/** A Service that leads out of the nodes to a broker. */
const brokerService = ([name, port]: readonly [string, number]): object[] => [
  { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ port }] } },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [{ addresses: [controlPlaneAddress], conditions: { ready: true } }],
  },
];

const service = (component: string, port: number, nodePortNumber: number): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `flotilla-${component}`, namespace },
  spec: {
    type: 'NodePort',
    selector: labels(component),
    ports: [{ name: 'http', port, targetPort: 'http', nodePort: nodePortNumber }],
  },
});

const disruptionBudget = (component: string): object => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: `flotilla-${component}`, namespace },
  spec: { maxUnavailable: 1, selector: { matchLabels: labels(component) } },
});

/** All objects of an installation. */
export function manifests({ tokenSecret, apiKey }: Secrets): object[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secretName, namespace },
      stringData: { FLOTILLA_TOKEN_SECRET: tokenSecret, FLOTILLA_API_KEYS: apiKey, FLOTILLA_API_KEY: apiKey },
    },
    ...Object.entries(brokerPorts).flatMap(brokerService),
    ...workloads.map(deployment),
    ...workloads.map(({ component }) => disruptionBudget(component)),
    service('gateway', 8080, servicePorts.gateway),
    service('registry', 8081, servicePorts.registry),
    service('console', 8082, servicePorts.console),
  ];
}

export const deployments: readonly string[] = workloads.map(({ component }) => `flotilla-${component}`);

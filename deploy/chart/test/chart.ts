import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const chartDirectory = fileURLToPath(new URL('../../../charts/flotilla', import.meta.url));

export interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
  };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly Variable[];
  readonly ports: readonly {
    readonly name: string;
    readonly containerPort: number;
    readonly hostPort?: number;
    readonly protocol?: string;
  }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly enableServiceLinks: boolean;
  readonly automountServiceAccountToken: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly tolerations?: readonly { readonly key: string }[];
  readonly initContainers?: readonly Omit<Container, 'ports'>[];
  readonly containers: readonly [Container];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string; readonly items?: readonly FileOfSecret[] };
    readonly projected?: {
      readonly sources: readonly {
        readonly secret?: { readonly name: string; readonly items?: readonly FileOfSecret[] };
      }[];
    };
  }[];
}

interface FileOfSecret {
  readonly key: string;
  readonly path: string;
}

/** An object of Kubernetes, as far as the tests read it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly replicas?: number;
    readonly template: { readonly metadata: KubernetesObject['metadata']; readonly spec: PodSpec };
    readonly type?: string;
    readonly ports?: readonly { readonly port: number; readonly nodePort?: number; readonly protocol: string }[];
  } & Readonly<Record<string, unknown>>;
  /** Of a ConfigMap or a Secret. */
  readonly data?: Readonly<Record<string, string>>;
  /** Of a Secret. */
  readonly stringData?: Readonly<Record<string, string>>;
  /** Of a Role. */
  readonly rules?: readonly {
    readonly resources: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** Runs Helm. Throws with what it wrote when it fails. */
export function helm(...args: readonly string[]): string {
  return execFileSync(process.env['HELM_BIN']!, args, { encoding: 'utf8', stdio: 'pipe' });
}

/** Values as arguments of Helm: `sfu.replicas=3`. */
const withValues = (values: readonly string[]): string[] => values.flatMap((value) => ['--set', value]);

/** The manifests of a release called `flotilla` with these values. */
export const manifests = (...values: readonly string[]): string =>
  helm('template', 'flotilla', chartDirectory, ...withValues(values));

/** The objects of a release called `flotilla` with these values. */
export function render(...values: readonly string[]): KubernetesObject[] {
  return parseAllDocuments(manifests(...values)).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return (document.toJSON() as KubernetesObject | null) ?? [];
  });
}

/** What Helm prints after an installation of a release called `flotilla`, without a cluster. */
export const install = (...values: readonly string[]): string =>
  helm('install', 'flotilla', chartDirectory, '--dry-run=client', ...withValues(values));

export const lint = (...values: readonly string[]): string =>
  helm('lint', '--strict', chartDirectory, ...withValues(values));

export function find(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.find((each) => each.kind === kind && each.metadata.name === name);
  if (!found) throw new Error(`no ${kind} ${name} among ${objects.map((each) => each.metadata.name).join(', ')}`);
  return found;
}

/** Objects that run pods. */
export const workloads = (objects: readonly KubernetesObject[]): KubernetesObject[] =>
  objects.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');

export const podOf = (workload: KubernetesObject): PodSpec => workload.spec.template.spec;

/** What `flotilla node-address` would write for a pod. */
function externalAddresses({ initContainers = [] }: PodSpec): string {
  const listensAt = initContainers[0]?.env?.find(({ name }) => name === 'LISTEN_IPS')?.valueFrom?.fieldRef?.fieldPath;
  return listensAt?.endsWith('s') ? '203.0.113.11,2001:db8::11' : '203.0.113.11';
}

/** Name and key of the Secret that a file below /etc/flotilla, in a directory with the name of its volume, comes from. */
export function secretOfFile({ volumes = [] }: PodSpec, path: string): { name: string; key: string } | undefined {
  const [, directory, file] = /^\/etc\/flotilla\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  const volume = volumes.find(({ name }) => name === directory);
  const secrets = [
    volume?.secret && { name: volume.secret.secretName, items: volume.secret.items },
    ...(volume?.projected?.sources.map(({ secret }) => secret) ?? []),
  ];
  for (const { name, items = [] } of secrets.filter((each) => each !== undefined))
    for (const { key, path: at } of items) if (at === file) return { name, key };
  return undefined;
}

/** The Secret that a setting of a pod's container comes from, over a file. */
export function secretOfSetting(pod: PodSpec, setting: string): ReturnType<typeof secretOfFile> {
  const { value } = pod.containers[0].env?.find(({ name }) => name === `${setting}_FILE`) ?? {};
  return value === undefined ? undefined : secretOfFile(pod, value);
}

/** The environment of a container, with what Kubernetes and an init container would fill in, and secrets of mounted files as values. */
export function environmentOf(pod: PodSpec): Record<string, string> {
  const filledIn: Readonly<Record<string, string>> = {
    'status.podIP': '10.88.1.5',
    'status.podIPs': '10.88.1.5,fd00::5',
    'status.hostIP': '10.77.0.11',
    'status.hostIPs': '10.77.0.11,fd00::11',
    'metadata.name': 'flotilla-0',
    'spec.nodeName': 'n1',
    "metadata.labels['apps.kubernetes.io/pod-index']": '1',
    "metadata.labels['pod-template-hash']": '789bd995dc',
    "metadata.labels['controller-revision-hash']": 'flotilla-sfu-789bd995dc',
  };
  const brokers = ['gateway', 'registry', 'sfu', 'relay', 'autoscaler'].flatMap((user) => [
    [`${user}-redis-url`, `redis://fl-${user}:secret@flotilla-redis:6379`],
    [`${user}-amqp-url`, `amqp://fl-${user}:secret@flotilla-rabbitmq:5672`],
  ]);
  const secrets: Readonly<Record<string, string>> = {
    ...(Object.fromEntries(brokers) as Record<string, string>),
    'redis-url': 'redis://:secret@flotilla-redis:6379',
    'amqp-url': 'amqp://flotilla:secret@flotilla-rabbitmq:5672',
    'token-secret': 'x'.repeat(48),
    'api-keys': `console:rooms+tokens:${'0'.repeat(64)}`,
    'console-api-key': 'key',
    'turn-secret': 'y'.repeat(48),
  };
  return Object.fromEntries(
    (pod.containers[0].env ?? []).map(({ name, value, valueFrom }) => {
      if (value === '/run/flotilla/announced') return [name.replace(/_FILE$/, ''), externalAddresses(pod)];
      const secret = name.endsWith('_FILE') ? secrets[secretOfFile(pod, value ?? '')?.key ?? ''] : undefined;
      if (secret !== undefined) return [name.replace(/_FILE$/, ''), secret];
      const text =
        value ?? filledIn[valueFrom?.fieldRef?.fieldPath ?? ''] ?? secrets[valueFrom?.secretKeyRef?.key ?? ''];
      if (text === undefined) throw new Error(`${name} has a source that this test does not know`);
      return [name, text];
    }),
  );
}

import { get, kubectl } from './kubectl.ts';
import { killContainer } from './node.ts';
import { namespace } from './settings.ts';
import { waitUntil } from './wait-until.ts';

interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly readOnlyRootFilesystem?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  readonly seccompProfile?: { readonly type: string };
}

/** A pod of Flotilla, as far as it is used here. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly enableServiceLinks?: boolean;
    readonly hostNetwork?: boolean;
    readonly securityContext?: SecurityContext;
    readonly containers: readonly {
      readonly name: string;
      readonly image: string;
      readonly securityContext?: SecurityContext;
    }[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly ready: boolean;
      readonly containerID?: string;
    }[];
  };
}

/** The pods of Flotilla that are not being deleted. Those of a component that was switched off may exist for their grace period. */
export async function runningPods(): Promise<Pod[]> {
  return (await pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** The pods of Flotilla, or of one of its components. */
export async function pods(component?: string): Promise<Pod[]> {
  const selector = component === undefined ? [] : ['--selector', `app.kubernetes.io/component=${component}`];
  return (await get<{ items: Pod[] }>(['pods', '--namespace', namespace, ...selector])).items;
}

/** Where the first container of a pod runs: the number of the node, and its id in containerd. */
export function containerOf({ metadata, spec, status }: Pod): { readonly node: number; readonly id: string } {
  const id = status.containerStatuses?.[0]?.containerID?.replace('containerd://', '');
  if (id === undefined || spec.nodeName === undefined) throw new Error(`pod ${metadata.name} does not run`);
  return { node: Number(spec.nodeName.slice(1)), id };
}

/** Kills the processes of a pod, as a crash does: Kubernetes starts its container again in the same pod. */
export async function killProcess(pod: Pod): Promise<void> {
  const { node, id } = containerOf(pod);
  await killContainer(node, id);
}

/** Replaces all pods of a component. Resolves when the new ones are ready and the old ones are deleted. */
export async function restartDeployment(component: string, timeoutMs: number): Promise<void> {
  const before = new Set((await pods(component)).map(({ metadata }) => metadata.name));
  const deployment = `deployment/flotilla-${component}`;
  await kubectl(['rollout', 'restart', deployment, '--namespace', namespace]);
  const seconds = Math.round(timeoutMs / 1000);
  await kubectl(['rollout', 'status', deployment, '--namespace', namespace, `--timeout=${seconds}s`], { timeoutMs });
  await waitUntil(`the previous pods of ${component} are deleted`, timeoutMs, async () => {
    const left = (await pods(component)).filter(({ metadata }) => before.has(metadata.name));
    if (left.length > 0) throw new Error(`${left.map(({ metadata }) => metadata.name).join(', ')} still exist`);
  });
}

// What a user reads while pods start, and when they do not.
import { command } from './command.ts';
import { currentKubeconfig } from './kubectl.ts';
import { namespace, program } from './settings.ts';

interface StartingPod {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
}

const everyMs = 2000;

async function read(context: string | undefined, args: readonly string[]): Promise<string> {
  const where = context === undefined ? ['--kubeconfig', currentKubeconfig()] : ['--context', context];
  const kubectl = process.env['KUBECTL_BIN'] ?? program('kubectl');
  return command(kubectl, [...where, '--namespace', namespace, ...args], { timeoutMs: 10_000 });
}

async function pods(context: string | undefined): Promise<StartingPod[]> {
  return (JSON.parse(await read(context, ['get', 'pods', '--output', 'json'])) as { items: StartingPod[] }).items;
}

const isReady = ({ status }: StartingPod): boolean =>
  status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

/** Reports how many pods are ready whenever that has changed, until the returned function is called. */
export function reportPods(context: string | undefined, progress: (text: string) => void): () => void {
  let last = '';
  const timer = setInterval(() => {
    void pods(context).then(
      (all) => {
        const now = `${all.filter(isReady).length} of ${all.length} pods ready`;
        if (now !== last && timer.hasRef()) progress(now);
        last = now;
      },
      // The next attempt may succeed, and Helm says why it fails.
      () => undefined,
    );
  }, everyMs);
  return () => clearInterval(timer.unref());
}

/** Why pods are not ready, one line each: what Kubernetes says, and the last line of a container that has restarted. */
export async function podProblems(context: string | undefined): Promise<string[]> {
  const waiting = (await pods(context)).filter((pod) => !isReady(pod));
  return Promise.all(
    waiting.map(async ({ metadata: { name }, status }) => {
      const unscheduled = status.conditions?.find(
        ({ type, status: value }) => type === 'PodScheduled' && value === 'False',
      );
      const [container] = status.containerStatuses ?? [];
      const { reason, message } = container?.state?.waiting ?? {};
      const restarted = (container?.restartCount ?? 0) > 0;
      const log = restarted ? await read(context, ['logs', name, '--previous', '--tail=1']).catch(() => '') : '';
      const why = [unscheduled?.message, reason, message, log.trim()].filter(Boolean).join(': ');
      return `${name}: ${why || 'it runs, and its readiness probe fails'}`;
    }),
  );
}

import { randomBytes } from 'node:crypto';
import { apply, get, kubectl } from './kubectl.ts';
import { deployments, manifests, type Secrets } from './manifests.ts';
import { kubeconfig, namespace, pageUrl, registryUrl } from './settings.ts';

const readyTimeoutSeconds = 120;

export interface InstallOptions {
  /** Called with a description of each completed step. */
  readonly progress: (done: string) => void;
}

/** Installs Flotilla in the running cluster, or brings it up to date. Resolves when every pod is ready. */
export async function install({ progress }: InstallOptions): Promise<void> {
  await apply(manifests(await secrets()));
  progress('Flotilla is installed');
  for (const name of deployments) {
    const rollout = ['rollout', 'status', `deployment/${name}`, '--namespace', namespace];
    await kubectl([...rollout, `--timeout=${readyTimeoutSeconds}s`], { timeoutMs: (readyTimeoutSeconds + 10) * 1000 });
    progress(`${name} is ready`);
  }
}

/** Those of the installation that is there, or new ones. */
export async function secrets(): Promise<Secrets> {
  const known = await get<{ data: Record<string, string> }>(['secret', 'flotilla', '--namespace', namespace]).catch(
    () => undefined,
  );
  const read = (key: string): string | undefined =>
    known?.data[key] === undefined ? undefined : Buffer.from(known.data[key], 'base64').toString();
  return {
    tokenSecret: read('FLOTILLA_TOKEN_SECRET') ?? randomBytes(32).toString('base64url'),
    apiKey: read('FLOTILLA_API_KEY') ?? randomBytes(16).toString('base64url'),
  };
}

/** Prints how to reach what was installed. */
export async function printAccess(): Promise<void> {
  const { apiKey } = await secrets();
  console.log(`
Flotilla is ready.
  call page    ${pageUrl}
  REST API     ${registryUrl}   (Authorization: Bearer ${apiKey})
  kubectl      export KUBECONFIG=${kubeconfig}, or: npm run cluster -- kubectl get pods -n ${namespace}

Pages and API are at this address on this machine and on the client's machine inside the cluster's network. Media is only
reachable from there: npm run cluster -- client chromium ${pageUrl}
Stop it: npm run cluster -- down
`);
}

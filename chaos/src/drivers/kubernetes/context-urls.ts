import { RestApi } from '@flotilla/testkit';
import type { ClientUrls } from '../../calls/live-calls.ts';
import type { Kubectl } from './kubectl.ts';

interface Service {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly ports: readonly { readonly port: number }[] };
}

interface Secret {
  readonly data?: Readonly<Record<string, string>>;
}

/** Where clients of an installation in a cluster go, and what ends the forwarding to it. */
export interface ContextUrls {
  readonly urls: ClientUrls;
  readonly end: () => Promise<void>;
}

/**
 * Reaches the Services of an installation of the chart by `kubectl port-forward`. Each leads to one pod: when that is the one that
 * fails, the requests beside the calls fail too.
 *
 * @param gateway URL of the gateways, in place of a forwarded port.
 */
export async function contextUrls(
  kubectl: Kubectl,
  namespace: string,
  gateway: string | undefined,
): Promise<ContextUrls> {
  const forwards: { stop(): Promise<unknown> }[] = [];
  const { items } = await kubectl.get<{ items: Service[] }>([
    ...['services', '--namespace', namespace, '--selector', 'app.kubernetes.io/name=flotilla'],
  ]);
  const forward = async (component: string): Promise<string> => {
    const service = items.find(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === component);
    if (!service) throw new Error(`the namespace ${namespace} has no Service of the component ${component}`);
    const { name } = service.metadata;
    const { port } = service.spec.ports[0]!;
    const child = kubectl.start(['port-forward', `service/${name}`, `:${port}`, '--namespace', namespace]);
    forwards.push(child);
    const [, local] = await child.line(/Forwarding from 127\.0\.0\.1:(\d+)/);
    return `http://127.0.0.1:${local}`;
  };
  const end = async (): Promise<void> => void (await Promise.all(forwards.map((each) => each.stop())));
  try {
    const registryUrl = await forward('registry');
    const api = new RestApi(registryUrl, await operatorKey(kubectl, namespace));
    const gatewayUrls = [gateway ?? (await forward('gateway'))];
    return { urls: { pageUrl: await forward('console'), gatewayUrls, api }, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** FLOTILLA_API_KEY, or the key that the chart made. */
async function operatorKey(kubectl: Kubectl, namespace: string): Promise<string> {
  const given = process.env['FLOTILLA_API_KEY'];
  if (given) return given;
  const { items } = await kubectl.get<{ items: Secret[] }>(['secrets', '--namespace', namespace]);
  const key = items.map(({ data }) => data?.['operator-api-key']).find((each) => each !== undefined);
  if (key === undefined)
    throw new Error(`no Secret of ${namespace} has operator-api-key. Set FLOTILLA_API_KEY to a key of the REST API.`);
  return Buffer.from(key, 'base64').toString();
}

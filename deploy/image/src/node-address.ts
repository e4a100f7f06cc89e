// `flotilla node-address FILE`: looks up the external addresses of the node that the pod runs on. An init container does, so that
// the container that clients send media to has no credentials of Kubernetes.
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const timeoutMs = 10_000;

const nodeSchema = z.object({
  status: z.object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]) }),
});

/**
 * Writes an external address of the node NODE_NAME for each of LISTEN_IPS, of the same family, separated by commas. Prints one line.
 * Returns the exit code.
 * @param account directory of the token and `ca.crt` of a service account that may get nodes
 */
export async function nodeAddress(
  file: string,
  env: NodeJS.ProcessEnv = process.env,
  account = '/var/run/secrets/kubernetes.io/serviceaccount',
): Promise<number> {
  const { NODE_NAME: name = '', LISTEN_IPS: listensAt = '' } = env;
  try {
    const addresses = await externalAddresses(name, env, account);
    const announced = listensAt.split(',').map((ip) => {
      const found = addresses.find((address) => isIP(address) === isIP(ip));
      if (found === undefined)
        throw new Error(`it has no ExternalIP of the family of ${ip} (${addresses.join(', ') || 'none at all'})`);
      return found;
    });
    writeFileSync(file, announced.join(','));
    console.log(`node ${name} is reached at ${announced.join(', ')}`);
    return 0;
  } catch (error) {
    console.log(
      `no address of node ${name} to announce: ${(error as Error).message}. Set announcedAddress, or announce: hostIP.`,
    );
    return 1;
  }
}

async function externalAddresses(name: string, env: NodeJS.ProcessEnv, account: string): Promise<string[]> {
  const read = (path: string): string => readFileSync(join(account, path), 'utf8').trim();
  const options = {
    host: env['KUBERNETES_SERVICE_HOST'],
    port: env['KUBERNETES_SERVICE_PORT'],
    path: `/api/v1/nodes/${encodeURIComponent(name)}`,
    ca: read('ca.crt'),
    headers: { authorization: `Bearer ${read('token')}`, accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  };
  const body = await new Promise<string>((resolve, reject) => {
    get(options, (response) => {
      const isFound = response.statusCode === 200;
      text(response).then(
        (answer) => (isFound ? resolve(answer) : reject(new Error(`Kubernetes answered ${response.statusCode}`))),
        reject,
      );
    }).on('error', reject);
  });
  const { status } = nodeSchema.parse(JSON.parse(body));
  return status.addresses.flatMap(({ type, address }) => (type === 'ExternalIP' ? [address] : []));
}

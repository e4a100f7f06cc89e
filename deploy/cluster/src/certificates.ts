import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { command } from './command.ts';
import {
  apiServerUrl,
  apiServiceAddress,
  controlPlaneAddress,
  localApiPort,
  nodeAddress,
  nodeName,
  statePath,
} from './settings.ts';

export const keyPath = (file: string): string => statePath('keys', file);

const days = ['-days', '30'];
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes the cluster's certificate authority, its certificates and kubeconfig files. */
export async function createKeys(nodes: readonly number[]): Promise<void> {
  mkdirSync(statePath('keys'), { recursive: true, mode: 0o700 });
  const [caKey, ca] = [keyPath('ca.key'), keyPath('ca.crt')];
  await command('openssl', [
    'req',
    '-x509',
    ...newKey,
    ...days,
    '-keyout',
    caKey,
    '-out',
    ca,
    '-subj',
    '/CN=flotilla-ca',
  ]);
  const [serviceAccount, publicKey] = [keyPath('service-account.key'), keyPath('service-account.pub')];
  await command('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', serviceAccount]);
  await command('openssl', ['ec', '-in', serviceAccount, '-pubout', '-out', publicKey]);

  const kubernetes = ['', '.default', '.default.svc', '.default.svc.cluster.local'];
  const apiServerNames = [
    ...kubernetes.map((suffix) => `DNS:kubernetes${suffix}`),
    'DNS:localhost',
    ...['127.0.0.1', controlPlaneAddress, apiServiceAddress].map((address) => `IP:${address}`),
  ];
  await certificate('api-server', '/CN=kube-apiserver', apiServerNames);
  await certificate('front-proxy', '/CN=front-proxy');
  await certificate('kubelet-client', '/O=system:masters/CN=kube-apiserver-kubelet-client');
  await certificate('metrics-server', '/CN=metrics-server', ['DNS:metrics-server.kube-system.svc']);
  await certificate('admin', '/O=system:masters/CN=admin');
  writeKubeconfig('admin', `https://127.0.0.1:${localApiPort}`);
  writeKubeconfig('admin', apiServerUrl, 'admin-inside');
  for (const user of ['kube-controller-manager', 'kube-scheduler', 'kube-proxy']) {
    await certificate(user, `/CN=system:${user}`);
    writeKubeconfig(user, apiServerUrl);
  }
  for (const node of nodes) {
    const name = nodeName(node);
    await certificate(name, `/O=system:nodes/CN=system:node:${name}`, [`DNS:${name}`, `IP:${nodeAddress(node)}`]);
    writeKubeconfig(name, apiServerUrl);
  }
}

async function certificate(name: string, subject: string, alternativeNames: readonly string[] = []): Promise<void> {
  const [request, extensions] = [keyPath(`${name}.csr`), keyPath(`${name}.ext`)];
  const names = alternativeNames.length > 0 ? `subjectAltName=${alternativeNames.join(',')}\n` : '';
  writeFileSync(
    extensions,
    `keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n${names}`,
  );
  const key = ['-keyout', keyPath(`${name}.key`)];
  await command('openssl', ['req', '-new', ...newKey, ...key, '-subj', subject, '-out', request]);
  const authority = ['-CA', keyPath('ca.crt'), '-CAkey', keyPath('ca.key'), '-CAcreateserial'];
  const out = ['-out', keyPath(`${name}.crt`), '-extfile', extensions];
  await command('openssl', ['x509', '-req', '-in', request, ...authority, ...days, ...out]);
}

/** Writes a kubeconfig of a user with a certificate. JSON is YAML. */
function writeKubeconfig(user: string, server: string, file = user): void {
  const data = (path: string): string => readFileSync(keyPath(path)).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'flotilla', cluster: { server, 'certificate-authority-data': data('ca.crt') } }],
    users: [
      {
        name: user,
        user: { 'client-certificate-data': data(`${user}.crt`), 'client-key-data': data(`${user}.key`) },
      },
    ],
    contexts: [{ name: 'flotilla', context: { cluster: 'flotilla', user } }],
    'current-context': 'flotilla',
  };
  writeFileSync(keyPath(`${file}.conf`), JSON.stringify(config, undefined, 2), { mode: 0o600 });
}

import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from '@flotilla/processes';
import { notYet, waitFor } from './wait-for.ts';

/** The directory of the Kubernetes programs that `npm run cluster` builds. */
const programs = process.env['CLUSTER_PROGRAMS'] ?? '';
export const hasKubernetes = existsSync(join(programs, 'complete'));

const token = 'test';
const quick = { timeoutMs: 60_000, everyMs: 100 };

/**
 * etcd, an API server and the controllers of Deployments and ReplicaSets on 127.0.0.1. There are no machines: a test says itself which
 * pods are ready.
 */
export class ControlPlane {
  readonly #directory = mkdtempSync(join(tmpdir(), 'flotilla-control-plane-'));
  readonly #children: Child[] = [];
  #apiServer: { readonly args: readonly string[] } | undefined;

  static async start(): Promise<ControlPlane> {
    const plane = new ControlPlane();
    try {
      await plane.#start();
    } catch (error) {
      await plane.stop();
      throw error;
    }
    return plane;
  }

  get kubeconfig(): string {
    return join(this.#directory, 'kubeconfig');
  }

  #run(name: string, args: readonly string[]): Child {
    const child = new Child(name, join(programs, name), args);
    this.#children.push(child);
    return child;
  }

  async #start(): Promise<void> {
    const file = (name: string): string => join(this.#directory, name);
    const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://127.0.0.1:${etcdPort}`;
    const peers = `http://127.0.0.1:${peerPort}`;
    this.#run('etcd', [
      ...['--data-dir', file('etcd'), '--unsafe-no-fsync', '--log-level', 'warn'],
      ...['--listen-client-urls', etcd, '--advertise-client-urls', etcd, '--listen-peer-urls', peers],
      ...['--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`],
    ]);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(file('key'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    writeFileSync(file('pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(file('tokens'), `${token},admin,admin,"system:masters"\n`);
    const args = [
      ...['--etcd-servers', etcd, '--secure-port', String(port), '--bind-address', '127.0.0.1'],
      ...['--cert-dir', file('certificates'), '--token-auth-file', file('tokens'), '--authorization-mode', 'RBAC'],
      ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-account-key-file', file('pub')],
      ...['--service-account-signing-key-file', file('key'), '--service-cluster-ip-range', '10.96.0.0/24'],
      ...['--disable-admission-plugins', 'ServiceAccount'],
    ];
    this.#apiServer = { args };
    this.#run('kube-apiserver', args);
    const server = `https://127.0.0.1:${port}`;
    await waitFor('the certificate of the API server', () => readFileSync(file('certificates/apiserver.crt')), quick);
    this.#writeKubeconfig(server, readFileSync(file('certificates/apiserver.crt')));
    await this.#ready();
    this.#run('kube-controller-manager', [
      ...['--kubeconfig', this.kubeconfig, '--leader-elect=false', '--secure-port', '0'],
      ...['--controllers', 'deployment-controller,replicaset-controller'],
    ]);
  }

  #writeKubeconfig(server: string, certificate: Buffer): void {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': certificate.toString('base64') } }],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'default' } }],
      'current-context': 'test',
    };
    writeFileSync(this.kubeconfig, JSON.stringify(config));
  }

  async #ready(): Promise<void> {
    await waitFor(
      'the API server',
      async () => {
        const ended = this.#children.find((child) => child.ended);
        if (ended) throw new Error(`${ended.name} ended: ${ended.lines.slice(-5).join('\n')}`);
        const probe = new Child('kubectl', join(programs, 'kubectl'), [
          ...['--kubeconfig', this.kubeconfig, 'get', '--raw', '/readyz', '--request-timeout', '2s'],
        ]);
        if ((await probe.exited) !== 0) notYet(probe.lines.at(-1) ?? 'it does not answer');
      },
      quick,
    );
  }

  /** Kills the API server. */
  async stopApiServer(): Promise<void> {
    await this.#children.find(({ name, ended }) => name === 'kube-apiserver' && !ended)?.stop('SIGKILL');
  }

  async startApiServer(): Promise<void> {
    this.#children.splice(0, this.#children.length, ...this.#children.filter(({ ended }) => !ended));
    this.#run('kube-apiserver', this.#apiServer!.args);
    await this.#ready();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop('SIGKILL')));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

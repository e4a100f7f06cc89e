import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ControlPlane, hasKubernetes } from '@flotilla/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chartDirectory, find, helm, manifests } from './chart.ts';
import { definitions, hasGo } from './custom-resources.ts';
import { build, objectsOf, overlays } from './kustomize.ts';
import { everything, exposures, names, scaled } from './values.ts';

describe.runIf(hasKubernetes && hasGo)('the API server, with the custom resources of other projects', () => {
  let plane: ControlPlane;

  /** Runs kubectl with manifests as its input. Throws with what it wrote when it fails. */
  const kubectl = (input: string, ...args: readonly string[]): string =>
    execFileSync(join(process.env['CLUSTER_PROGRAMS']!, 'kubectl'), ['--kubeconfig', plane.kubeconfig, ...args], {
      input,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  const dryRun = (text: string): string[] => kubectl(text, 'apply', '--dry-run=server', '-f', '-').trim().split('\n');

  beforeAll(async () => {
    plane = await ControlPlane.start();
    kubectl(definitions(), 'create', '-f', '-');
    kubectl('', 'wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  }, 240_000);
  afterAll(() => plane?.stop());

  test.each(names)('accepts the chart with every option and exposure %s', (exposure) => {
    const accepted = dryRun(manifests(...exposures[exposure], ...everything, ...scaled(exposure)));
    for (const kind of [
      'certificate.cert-manager.io/',
      'httproute.gateway',
      'virtualservice.networking.istio.io/',
      'podmonitor.monitoring',
      'deployment.apps/',
    ])
      expect(
        accepted.some((line) => line.startsWith(kind)),
        kind,
      ).toBe(true);
    expect(accepted.filter((line) => !line.endsWith('created (server dry run)'))).toEqual([]);
  });

  test('keeps API keys that were added to the Secret of the chart', () => {
    const added = `backend:rooms:${'1'.repeat(64)}`;
    const secret = ['secret', 'flotilla-secrets'];
    kubectl('', 'create', 'secret', 'generic', 'flotilla-secrets', `--from-literal=api-keys=${added}`);
    kubectl('', 'label', ...secret, 'app.kubernetes.io/managed-by=Helm');
    const release = ['meta.helm.sh/release-name=flotilla', 'meta.helm.sh/release-namespace=default'];
    kubectl('', 'annotate', ...secret, ...release);
    const args = ['--dry-run=server', '--kubeconfig', plane.kubeconfig, '--show-only', 'templates/secrets.yaml'];
    const upgraded = objectsOf(helm('template', 'flotilla', chartDirectory, ...args));
    const { data } = find(upgraded, 'Secret', 'flotilla-secrets');
    expect(Buffer.from(data!['api-keys']!, 'base64').toString()).toBe(added);
  });

  test.each(overlays)('accepts the overlay %s', (overlay) => {
    const text = build(overlay);
    const { name } = objectsOf(text).find(({ kind }) => kind === 'Namespace')!.metadata;
    kubectl('', 'create', 'namespace', name);
    const accepted = dryRun(text);
    expect(accepted).toHaveLength(objectsOf(text).length);
    expect(accepted.some((line) => line.startsWith('externalsecret.'))).toBe(overlay !== 'dev');
  });
});

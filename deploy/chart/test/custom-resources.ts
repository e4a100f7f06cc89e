import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Go modules that contain the custom resources of objects that the chart and the overlays make, and where. */
const modules: readonly [module: string, directory: string][] = [
  ['github.com/cert-manager/cert-manager@v1.16.5', 'deploy/crds'],
  ['github.com/external-secrets/external-secrets@v0.17.0', 'config/crds/bases'],
  ['github.com/prometheus-operator/prometheus-operator@v0.72.0', 'example/prometheus-operator-crd'],
  ['sigs.k8s.io/gateway-api@v1.3.0', 'config/crd/standard'],
  ['istio.io/api@v1.24.2', 'kubernetes'],
];
const kinds =
  /(certificates|issuers|externalsecrets|secretstores|podmonitors|prometheusrules|httproutes|\bcustomresourcedefinitions\.gen)\.yaml$/;
/** Those of cert-manager are templates of its chart, with placeholders in comments and labels. */
const withoutPlaceholders = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !line.includes('{{'))
    .join('\n');

export const hasGo = (process.env['PATH'] ?? '').split(':').some((directory) => existsSync(join(directory, 'go')));

/** Their definitions as YAML. Go downloads them unless they are in its cache. */
export function definitions(): string {
  const texts = modules.flatMap(([module, directory]) => {
    const text = execFileSync('go', ['mod', 'download', '-json', module], {
      encoding: 'utf8',
      env: { ...process.env, GOFLAGS: '-mod=mod' },
      cwd: '/',
    });
    const folder = join((JSON.parse(text) as { Dir: string }).Dir, directory);
    return (
      readdirSync(folder)
        .filter((name) => kinds.test(name))
        .flatMap((name) => withoutPlaceholders(readFileSync(join(folder, name), 'utf8')).split(/^---$/m))
        // Istio's are one file.
        .filter((text) => !text.includes('.istio.io') || text.includes('name: virtualservices.networking.istio.io'))
    );
  });
  return texts.join('\n---\n');
}

import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import type { KubernetesObject } from './chart.ts';

const directory = fileURLToPath(new URL('../../kustomize', import.meta.url));
/** kustomize is a part of kubectl, which the package of Helm brings; elsewhere it is on the PATH. */
const packaged = join(dirname(process.env['HELM_BIN']!), '..', 'kubectl', 'kubectl');

export const overlays = ['dev', 'staging', 'prod'] as const;

/** What `kubectl kustomize` builds from an overlay. */
export function build(overlay: (typeof overlays)[number]): string {
  const args = ['kustomize', '--enable-helm', '--helm-command', join(directory, 'helm4')];
  const program = process.env['HELM_BIN'] === 'helm' ? 'kubectl' : packaged;
  return execFileSync(
    program,
    [...args, '--load-restrictor', 'LoadRestrictionsNone', join(directory, 'overlays', overlay)],
    {
      encoding: 'utf8',
      stdio: 'pipe',
    },
  );
}

export const objectsOf = (manifests: string): KubernetesObject[] =>
  parseAllDocuments(manifests).map((document) => document.toJSON() as KubernetesObject);

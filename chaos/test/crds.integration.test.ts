import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { manifestFor } from '../src/drivers/chaos-mesh/manifest.ts';
import { experiments } from '../src/manifests/experiment.ts';
import { type CrdSchema, crdProblems } from './crd-schema.ts';

/** The newest version that the module proxy serves; it has the CRDs of the releases of 2.x. Go keeps it in its module cache. */
const chaosMesh = 'github.com/chaos-mesh/chaos-mesh@v0.9.1-0.20260902003049-47411975a8cb';

function hasGo(): boolean {
  try {
    execFileSync('go', ['version']);
    return true;
  } catch {
    return false;
  }
}

interface Crd {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: CrdSchema } }[];
  };
}

describe.skipIf(!hasGo())('the CRDs of Chaos Mesh', () => {
  const schemas = new Map<string, CrdSchema>();
  beforeAll(async () => {
    const { stdout } = await promisify(execFile)('go', ['mod', 'download', '-json', chaosMesh], { cwd: tmpdir() });
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    for (const kind of new Set(experiments().map((each) => each.kind))) {
      const file = `chaos-mesh.org_${kind === 'Workflow' ? 'workflows' : kind.toLowerCase()}.yaml`;
      const crd = parse(readFileSync(join(Dir, 'config', 'crd', 'bases', file), 'utf8')) as Crd;
      const version = crd.spec.versions.find(({ name }) => name === 'v1alpha1')!;
      schemas.set(crd.spec.names.kind, version.schema.openAPIV3Schema);
    }
  }, 300_000);

  test('accept every experiment as it is in its file and as it is applied, with no field that they do not have', () => {
    for (const experiment of experiments()) {
      const schema = schemas.get(experiment.kind)!;
      const file = readFileSync(new URL(`../experiments/${experiment.name}.yaml`, import.meta.url), 'utf8');
      expect(crdProblems(parse(file), schema, experiment.name)).toEqual([]);
      expect(crdProblems(manifestFor(experiment, 'calls', 'x1'), schema, experiment.name)).toEqual([]);
    }
  });

  test('refuse a wrong action, a missing mode and an unknown field', () => {
    const spec = { action: 'explode', selector: {}, speed: 1 };
    expect(crdProblems({ spec }, schemas.get('PodChaos')!, 'pod')).toEqual([
      'pod.spec.mode is missing',
      'pod.spec.action is none of pod-kill, pod-failure, container-kill',
      'pod.spec.speed is not in the schema',
    ]);
  });
});

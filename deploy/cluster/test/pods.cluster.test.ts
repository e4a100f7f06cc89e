import { install, kubectl, namespace, runningPods } from '@flotilla/cluster';
import { beforeAll, describe, expect, test } from 'vitest';

describe('the pods of Flotilla', () => {
  beforeAll(() => install());

  test('run as another user than root, without capabilities, with a read-only root and the default seccomp profile', async () => {
    const all = await runningPods();
    expect(all.length).toBeGreaterThanOrEqual(8);
    for (const { metadata, spec } of all)
      for (const container of spec.containers) {
        const context = { ...spec.securityContext, ...container.securityContext };
        expect({ pod: metadata.name, ...context }).toMatchObject({
          runAsNonRoot: true,
          runAsUser: 10_001,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(context.capabilities?.add ?? []).toEqual([]);
      }
  });

  test('really cannot write to their root file system, and have no shell', async () => {
    const script = "require('node:fs').writeFileSync('/app/x', '')";
    const gateway = ['exec', '--namespace', namespace, 'deployment/flotilla-gateway', '--'];
    await expect(kubectl([...gateway, 'node', '-e', script])).rejects.toThrow(/EROFS/);
    await expect(kubectl([...gateway, 'sh', '-c', 'true'])).rejects.toThrow(/executable file not found/);
  });
});

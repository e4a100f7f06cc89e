import { configurations } from '@flotilla/image';
import { loadConfig } from '@flotilla/runtime';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { environmentOf, find, podOf, render } from './chart.ts';
import { build, objectsOf, overlays } from './kustomize.ts';

describe.each(overlays)('the overlay %s', (overlay) => {
  const objects = objectsOf(build(overlay));
  const environment = (name: string) => environmentOf(podOf(find(objects, 'Deployment', name)));

  test('gives each service a configuration that it accepts', () => {
    for (const service of ['gateway', 'registry', 'autoscaler', 'console'] as const) {
      const configuration: z.ZodObject = configurations[service];
      expect(() => loadConfig(configuration, environment(`flotilla-${service}`)), service).not.toThrow();
    }
  });

  test('serves the clients of its ingress', () => {
    expect(objects.some(({ kind }) => kind === 'Ingress')).toBe(true);
    const { FLOTILLA_TRUSTED_PROXIES: proxies, FLOTILLA_ALLOW_PLAIN: allowPlain } = environment('flotilla-gateway');
    expect(proxies ?? '').not.toBe('');
    expect(allowPlain).toBe(String(overlay === 'dev'));
  });

  test('contains no secret', () => {
    expect(objects.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  test('puts everything into its namespace', () => {
    const namespace = objects.find(({ kind }) => kind === 'Namespace')!.metadata.name;
    const clusterWide = new Set(['Namespace', 'ClusterRole', 'ClusterRoleBinding']);
    for (const { kind, metadata } of objects)
      if (!clusterWide.has(kind)) expect(metadata.namespace, `${kind} ${metadata.name}`).toBe(namespace);
  });
});

describe.each(['staging', 'prod'] as const)('the overlay %s', (overlay) => {
  test('lets the autoscaler watch the nodes of the cluster, with the rights of the chart in names of its namespace', () => {
    const objects = objectsOf(build(overlay));
    const { FLOTILLA_SCALE_WATCH_MACHINES: watches } = environmentOf(
      podOf(find(objects, 'Deployment', 'flotilla-autoscaler')),
    );
    expect(watches).toBe('true');
    const namespace = objects.find(({ kind }) => kind === 'Namespace')!.metadata.name;
    const name = `${namespace}.flotilla-autoscaler`;
    const ofChart = render('sfu.autoscaling.enabled=true', 'sfu.autoscaling.watchNodes=true');
    const { rules } = find(ofChart, 'ClusterRole', 'default-flotilla-autoscaler');
    expect(find(objects, 'ClusterRole', name).rules).toEqual(rules);
    expect(find(objects, 'ClusterRoleBinding', name)).toMatchObject({
      roleRef: { kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: 'flotilla-autoscaler', namespace }],
    });
  });
});

describe('the overlay prod', () => {
  const objects = objectsOf(build('prod'));

  test.each(['gateway', 'registry', 'relay', 'sfu'])('keeps three pods of the %s through evictions', (component) => {
    const { spec } = find(objects, 'PodDisruptionBudget', `flotilla-${component}`);
    expect(spec).toMatchObject({ minAvailable: 3 });
    expect(spec).not.toHaveProperty('maxUnavailable');
    const least = {
      gateway: () => find(objects, 'HorizontalPodAutoscaler', 'flotilla-gateway').spec['minReplicas'],
      sfu: () => Number(environmentOf(podOf(find(objects, 'Deployment', 'flotilla-autoscaler')))['FLOTILLA_SCALE_MIN']),
      registry: () => find(objects, 'Deployment', 'flotilla-registry').spec.replicas,
      relay: () => find(objects, 'Deployment', 'flotilla-relay').spec.replicas,
    }[component]!();
    expect(least).toBeGreaterThan(3);
  });

  test('has metrics, a quota, an issuer, secrets from Vault and no debug logs', () => {
    const kinds = new Set(objects.map(({ kind }) => kind));
    for (const kind of ['PodMonitor', 'ResourceQuota', 'Issuer', 'SecretStore', 'ExternalSecret'])
      expect(kinds).toContain(kind);
    for (const { kind, metadata } of objects)
      if (kind === 'Deployment')
        expect(environmentOf(podOf(find(objects, kind, metadata.name)))['FLOTILLA_LOG_LEVEL']).toBe('info');
  });
});

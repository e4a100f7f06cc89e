import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { commonConfig, loadConfig, pickEnv, port } from '../src/index.ts';

/** What the kubelet injects for a Service (pkg/kubelet/envvars): the first port gets the unnumbered variables. */
function linksOf(service: string, ports: readonly { name: string; port: number; protocol: 'TCP' | 'UDP' }[]) {
  const prefix = service.toUpperCase().replaceAll('-', '_');
  const host = '10.96.0.12';
  const url = ({ port: number, protocol }: (typeof ports)[number]) => `${protocol.toLowerCase()}://${host}:${number}`;
  return Object.fromEntries([
    [`${prefix}_SERVICE_HOST`, host],
    [`${prefix}_SERVICE_PORT`, String(ports[0]!.port)],
    [`${prefix}_PORT`, url(ports[0]!)],
    ...ports.flatMap((each) => {
      const numbered = `${prefix}_PORT_${each.port}_${each.protocol}`;
      return [
        [`${prefix}_SERVICE_PORT_${each.name.toUpperCase().replaceAll('-', '_')}`, String(each.port)],
        [numbered, url(each)],
        [`${numbered}_PROTO`, each.protocol.toLowerCase()],
        [`${numbered}_PORT`, String(each.port)],
        [`${numbered}_ADDR`, host],
      ];
    }),
  ]) as Record<string, string>;
}

const links = {
  ...linksOf('flotilla', [{ name: 'http', port: 80, protocol: 'TCP' }]),
  ...linksOf('flotilla-gateway', [{ name: 'signal', port: 8080, protocol: 'TCP' }]),
  ...linksOf('flotilla-registry', [{ name: 'rest', port: 8081, protocol: 'TCP' }]),
  ...linksOf('flotilla-console', [{ name: 'http', port: 8082, protocol: 'TCP' }]),
  ...linksOf('flotilla-sfu-0', [
    { name: 'media-udp', port: 40_000, protocol: 'UDP' },
    { name: 'media-tcp', port: 40_000, protocol: 'TCP' },
  ]),
  ...linksOf('flotilla-admin', [{ name: 'metrics', port: 9464, protocol: 'TCP' }]),
  ...linksOf('redis', [{ name: 'redis', port: 6379, protocol: 'TCP' }]),
};

const schema = z.object({
  ...commonConfig.shape,
  FLOTILLA_PORT: port().default(8080),
  FLOTILLA_CONSOLE_PORT: port().default(8082),
});

describe('variables that Kubernetes injects for Services', () => {
  test('are not taken for settings, whatever the names of the Services', () => {
    expect(loadConfig(schema, links)).toEqual(loadConfig(schema, {}));
  });

  test('are overridden by a setting of the same name', () => {
    const set = { ...links, FLOTILLA_CONSOLE_PORT: '9000', FLOTILLA_ADMIN_PORT: '9465' };
    expect(loadConfig(schema, set)).toMatchObject({ FLOTILLA_CONSOLE_PORT: 9000, FLOTILLA_ADMIN_PORT: 9465 });
  });

  test('do not hide a misspelt setting or a port with a URL as its value', () => {
    expect(() => loadConfig(schema, { ...links, FLOTILLA_GATEWAY_PROT: '1' })).toThrow(/FLOTILLA_GATEWAY_PROT is not/);
    expect(() => loadConfig(schema, { FLOTILLA_CONSOLE_PORT: 'tcp://10.96.0.12:8082' })).toThrow(
      /FLOTILLA_CONSOLE_PORT: /,
    );
  });

  test('are not passed to a child process', () => {
    expect(pickEnv(schema, { ...links, PATH: '/bin', FLOTILLA_LOG_LEVEL: 'warn' })).toEqual({
      PATH: '/bin',
      FLOTILLA_LOG_LEVEL: 'warn',
    });
  });
});

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health, HealthReport } from './health.ts';
import { metricsRegistry } from './metrics.ts';

/** Serves /metrics, /livez, /readyz and /startupz apart from the service's own port. */
export async function startAdminServer(options: {
  host: string;
  port: number;
  health: Health;
}): Promise<{ port: number; close(): Promise<void> }> {
  const { health } = options;
  const probes: Record<string, () => HealthReport> = {
    '/livez': () => health.liveness(),
    '/readyz': () => health.readiness(),
    '/startupz': () => health.startup(),
  };
  const server: Server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    const probe = probes[path];
    if (probe) {
      const report = probe();
      response.writeHead(report.ok ? 200 : 503, { 'content-type': 'application/json' }).end(JSON.stringify(report));
    } else if (path === '/metrics') {
      metricsRegistry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': metricsRegistry.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    } else {
      response.writeHead(404).end('There is /metrics, /livez, /readyz and /startupz.\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

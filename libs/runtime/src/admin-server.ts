import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health, HealthReport } from './health.ts';
import { metricsRegistry, openMetricsText } from './metrics.ts';

export interface AdminServer {
  readonly port: number;
  /** Answers GET requests for a path with what the function returns, as JSON; with 503 while that is undefined. */
  serve(path: string, answer: () => unknown): void;
  close(): Promise<void>;
}

/** The metrics in the format of OpenMetrics for those who accept it, such as Prometheus; else in that of Prometheus. */
async function metricsFor(accept = ''): Promise<{ text: string; contentType: string }> {
  if (accept.includes('application/openmetrics-text')) return openMetricsText();
  return { text: await metricsRegistry.metrics(), contentType: metricsRegistry.contentType };
}

/** Serves /metrics, /livez, /readyz, /startupz and what the service adds, apart from the service's own port. */
export async function startAdminServer(options: { host: string; port: number; health: Health }): Promise<AdminServer> {
  const { health } = options;
  const probes: Record<string, () => HealthReport> = {
    '/livez': () => health.liveness(),
    '/readyz': () => health.readiness(),
    '/startupz': () => health.startup(),
  };
  const added = new Map<string, () => unknown>();
  const server: Server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    const probe = probes[path];
    if (probe) {
      const report = probe();
      response.writeHead(report.ok ? 200 : 503, { 'content-type': 'application/json' }).end(JSON.stringify(report));
    } else if (path === '/metrics') {
      metricsFor(request.headers.accept).then(
        ({ text, contentType }) => response.writeHead(200, { 'content-type': contentType, vary: 'accept' }).end(text),
        () => response.writeHead(500).end(),
      );
    } else if (added.has(path)) {
      const answer = added.get(path)!();
      const json = { 'content-type': 'application/json' };
      response.writeHead(answer === undefined ? 503 : 200, json).end(JSON.stringify(answer ?? {}));
    } else {
      const paths = ['/metrics', ...Object.keys(probes), ...added.keys()];
      response.writeHead(404).end(`The paths are ${paths.join(', ')}.\n`);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    serve: (path, answer) => void added.set(path, answer),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

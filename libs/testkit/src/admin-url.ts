import type { Child } from './child.ts';

/** Where a service that was started answers for itself: probes and /metrics. */
export async function adminUrlOf(service: Child): Promise<string> {
  const [, port] = await service.line(/"adminPort":(\d+)/);
  return `http://127.0.0.1:${port}`;
}

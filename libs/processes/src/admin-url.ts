import type { Child } from './child.ts';

/** Returns the URL at which a started service serves its probes and `/metrics`. */
export async function adminUrlOf(service: Child): Promise<string> {
  const [, port] = await service.line(/"adminPort":(\d+)/);
  return `http://127.0.0.1:${port}`;
}

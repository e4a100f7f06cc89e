import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ephemeral ports, which start at 32768 on Linux and at 49152 elsewhere. */
const ports = { from: 10_000, to: 32_000 };
const attempts = 100;
const reserved = new Set<number>();

/**
 * Returns a TCP port of 127.0.0.1 that nothing listens on and that this process has not been given before. The caller may
 * listen on it later: no outgoing connection takes it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(ports.from, ports.to);
    if (reserved.has(port) || !(await isFree(port))) continue;
    reserved.add(port);
    return port;
  }
  throw new Error(`none of ${attempts} ports between ${ports.from} and ${ports.to} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

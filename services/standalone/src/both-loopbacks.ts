import type { Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';

/** The loopback address of the other version of IP. */
const otherLoopbacks: Readonly<Record<string, string>> = { '127.0.0.1': '::1', '::1': '127.0.0.1' };

/** Errors of a machine that does not have the address: one without IPv6. */
const absent = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/**
 * Makes a server that listens at the loopback address of one version of IP listen at that of the other one as well, on the same port.
 * Browsers and other clients try both for `localhost`, which another user's program could otherwise answer with pages of the same origin.
 * The addresses close together.
 *
 * @throws Error when another program listens there
 */
export async function listenAtBothLoopbacks(server: Server, others = otherLoopbacks): Promise<void> {
  const { address, port } = server.address() as AddressInfo;
  const host = others[address];
  if (host === undefined) return;
  // Options as those of an HTTP server.
  const twin = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit('connection', socket));
  try {
    await new Promise<void>((resolve, reject) => {
      twin.once('error', reject).listen(port, host, resolve);
    });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (absent.has(code)) return;
    if (code !== 'EADDRINUSE') throw error;
    const message = `port ${port} is in use at ${host}, which clients also take for localhost: stop the other program or choose another port`;
    throw new Error(message, { cause: error });
  }
  const close = server.close.bind(server);
  server.close = (done) => {
    let open = 2;
    let failure: Error | undefined;
    const closed = (error?: Error): void => {
      failure ??= error;
      if (--open === 0) done?.(failure);
    };
    twin.close(closed);
    return close(closed);
  };
}

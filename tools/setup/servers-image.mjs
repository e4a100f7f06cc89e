// An image of Debian's Redis, RabbitMQ and coturn: with it, those of the chart run in a cluster that reaches no image registry.
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildah } from './image.mjs';
import { cacheDir, logPath, run, SetupError } from './steps.mjs';

/** The image as a file that containerd imports. The name of the image in it is known to the tests of deploy/cluster. */
export const serversArchive = join(cacheDir, 'image', 'servers-1.tar');
const name = 'flotilla.local/servers:1';

/**
 * Makes the archive unless it exists.
 * @param {import('./steps.mjs').Progress} progress
 */
export async function ensureServersImage(progress) {
  if (existsSync(serversArchive)) return 'cached';
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-servers-'));
  try {
    progress('Debian packages');
    const system = join(dir, 'system.tar');
    const args = ['--variant=minbase', '--include=redis-server,rabbitmq-server,coturn', 'bookworm', system];
    const { code } = await run('mmdebstrap', args, { log: 'image-servers' });
    if (code !== 0) throw new SetupError(`mmdebstrap failed. Its output is in ${logPath('image-servers')}.`);
    progress('archive');
    const container = await buildah(['from', 'scratch']);
    await buildah(['add', '--quiet', container, system, '/']);
    const path = '/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    await buildah(['config', '--env', `PATH=${path}`, container]);
    await buildah(['commit', '--quiet', '--rm', container, name]);
    const beside = `${serversArchive}.${process.pid}`;
    rmSync(beside, { force: true });
    await buildah(['push', '--quiet', name, `docker-archive:${beside}:${name}`]);
    renameSync(beside, serversArchive);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return undefined;
}

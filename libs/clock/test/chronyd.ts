import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from '@flotilla/processes';
import { notYet, waitFor } from '@flotilla/testkit';
import { queryOnce } from '../src/ntp/query.ts';

export interface Chronyd {
  readonly port: number;
  /** Stops it and deletes its files. */
  readonly stop: () => Promise<void>;
}

/** Starts a private chronyd on loopback that serves this machine's clock and does not adjust it (-x). */
export async function startChronyd(): Promise<Chronyd> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-chronyd-'));
  const config = join(dir, 'chrony.conf');
  writeFileSync(
    config,
    [
      'local stratum 8',
      'allow 127.0.0.0/8',
      'bindaddress 127.0.0.1',
      `port ${port}`,
      'cmdport 0',
      'bindcmdaddress /',
      `pidfile ${join(dir, 'pid')}`,
      `user ${userInfo().username}`,
      '',
    ].join('\n'),
  );
  // -U: runs without root. Debian installs it in /usr/sbin, which is not on every user's PATH.
  const child = new Child('chronyd', 'chronyd', ['-x', '-U', '-d', '-f', config], {
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await waitFor('chronyd answers', async () => {
      const { kind } = await queryOnce({ address: '127.0.0.1', port }, 500);
      if (kind !== 'time') notYet(`${kind}; it wrote ${child.lines.join('\n')}`);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from '@flotilla/processes';
import { onTestFinished } from 'vitest';

const configuration = readFileSync(new URL('../nginx.conf', import.meta.url), 'utf8');

export interface MirrorSettings {
  /** Host and port of each side. */
  readonly production: string;
  readonly shadow: string;
  readonly percent?: number;
  /** Where names are looked up. Default: nowhere. */
  readonly resolver?: string;
  /** How long the shadow release may take, s. */
  readonly shadowSeconds?: number;
}

/** Starts nginx with the configuration of the documentation for the running test. Returns the URL at which it mirrors. */
export async function startMirror(settings: MirrorSettings): Promise<string> {
  const { production, shadow, percent = 100, resolver = '127.0.0.1:9', shadowSeconds = 5 } = settings;
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-nginx-'));
  for (const name of ['body', 'proxy']) mkdirSync(join(dir, name));
  const [port, relay, accept] = [await freePort(), await freePort(), await freePort()];
  const replacements: [from: RegExp, to: string][] = [
    [/^events \{/m, `pid ${dir}/nginx.pid;\nevents {`],
    [/^http \{/m, `http {\n  client_body_temp_path ${dir}/body;\n  proxy_temp_path ${dir}/proxy;`],
    [/10%/, `${percent}%`],
    [/listen 8080/, `listen 127.0.0.1:${port}`],
    [/127\.0\.0\.1:8091/g, `127.0.0.1:${relay}`],
    [/127\.0\.0\.1:8092/g, `127.0.0.1:${accept}`],
    [/server flotilla-registry:8081/, `server ${production}`],
    [/resolver \S+/, `resolver ${resolver}`],
    [/default \S+:8081/, `default ${shadow}`],
    [/proxy_read_timeout 5s/, `proxy_read_timeout ${shadowSeconds}s`],
  ];
  let text = configuration;
  for (const [from, to] of replacements) {
    if (text.search(from) === -1) throw new Error(`nginx.conf has no ${from}`);
    text = text.replace(from, to);
  }
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  writeFileSync(join(dir, 'nginx.conf'), `daemon off;\n${user}${text}`);
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
  const nginx = new Child(
    'nginx',
    'nginx',
    ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr', '-g', 'error_log stderr notice;'],
    { env },
  );
  onTestFinished(async () => {
    await nginx.stop();
    rmSync(dir, { recursive: true });
  });
  await nginx.line(/start worker process \d+/);
  return `http://127.0.0.1:${port}`;
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '@flotilla/runtime';
import { CertificateAuthority } from '@flotilla/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { consoleConfig } from '../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'flotilla-console-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('the certificates of the console', () => {
  const authority = new CertificateAuthority(directory);
  const [own, other] = [authority.issue('own'), authority.issue('other')];
  const right = {
    FLOTILLA_REGISTRY_URL: 'https://registry',
    FLOTILLA_REGISTRY_TLS_CA_FILE: authority.caFile,
    FLOTILLA_REGISTRY_TLS_CERT_FILE: own.cert,
    FLOTILLA_REGISTRY_TLS_KEY_FILE: own.key,
  };

  test('are accepted with an https: URL of the REST API', () => {
    expect(loadConfig(consoleConfig, right)).toMatchObject({ FLOTILLA_REGISTRY_URL: 'https://registry' });
  });

  test.each([
    ['an http: URL', { FLOTILLA_REGISTRY_URL: 'http://registry' }, /^FLOTILLA_REGISTRY_URL: .*Name an https: URL\.$/],
    [
      'a missing file',
      { FLOTILLA_REGISTRY_TLS_CA_FILE: join(directory, 'none') },
      /^FLOTILLA_REGISTRY_TLS_CA_FILE: .*none cannot be read \(ENOENT\)$/,
    ],
    [
      'a key as authority',
      { FLOTILLA_REGISTRY_TLS_CA_FILE: own.key },
      /^FLOTILLA_REGISTRY_TLS_CA_FILE: a file with a certificate in PEM is expected/,
    ],
    [
      'a certificate without its key',
      { FLOTILLA_REGISTRY_TLS_KEY_FILE: '' },
      /^FLOTILLA_REGISTRY_TLS_KEY_FILE is required: FLOTILLA_REGISTRY_TLS_CERT_FILE is set$/,
    ],
    [
      'the key of another certificate',
      { FLOTILLA_REGISTRY_TLS_KEY_FILE: other.key },
      /^FLOTILLA_REGISTRY_TLS_KEY_FILE: not the private key of the certificate in FLOTILLA_REGISTRY_TLS_CERT_FILE$/,
    ],
    [
      'a served certificate without its key',
      { FLOTILLA_CONSOLE_TLS_CERT: own.cert },
      /^FLOTILLA_CONSOLE_TLS_KEY is required: FLOTILLA_CONSOLE_TLS_CERT is set$/,
    ],
  ])('are refused in one line: %s', (_, wrong, line) => {
    let problems: readonly string[] = [];
    try {
      loadConfig(consoleConfig, { ...right, ...wrong });
    } catch (error) {
      problems = (error as ConfigError).problems;
    }
    expect(problems).toEqual([expect.stringMatching(line)]);
  });
});

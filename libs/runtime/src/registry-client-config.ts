import { z } from 'zod';
import { httpUrl } from './address-settings.ts';
import { pemFile } from './broker-urls.ts';
import { fetchOverTls } from './fetch-over-tls.ts';
import { checkPair } from './pem-pair.ts';

/** How a client of the REST API reaches it. */
export const registryClientConfig = z.object({
  FLOTILLA_REGISTRY_URL: httpUrl()
    .default('http://127.0.0.1:8081')
    .describe('URL of the REST API, which issues tokens. https: where it serves TLS.'),
  FLOTILLA_REGISTRY_TLS_CA_FILE: pemFile()
    .optional()
    .describe(
      'PEM file of the authority that signed the certificate of the REST API. Read for each connection. Default: those that Node trusts.',
    ),
  FLOTILLA_REGISTRY_TLS_CERT_FILE: pemFile()
    .optional()
    .describe('PEM file of the certificate that is presented to the REST API.'),
  FLOTILLA_REGISTRY_TLS_KEY_FILE: pemFile()
    .optional()
    .describe('PEM file of the key of FLOTILLA_REGISTRY_TLS_CERT_FILE.'),
});
type RegistryClientConfig = z.output<typeof registryClientConfig>;

/** The `fetch` that these settings need; undefined when they name no file. */
export function registryFetch(config: RegistryClientConfig): ReturnType<typeof fetchOverTls> | undefined {
  const {
    FLOTILLA_REGISTRY_TLS_CA_FILE: ca,
    FLOTILLA_REGISTRY_TLS_CERT_FILE: cert,
    FLOTILLA_REGISTRY_TLS_KEY_FILE: key,
  } = config;
  return ca || cert ? fetchOverTls({ ca, cert, key }) : undefined;
}

/** Reports files that cannot be used, and those that plain HTTP would leave unused. */
export function checkRegistryTls(config: RegistryClientConfig, context: z.RefinementCtx): void {
  const report = (setting: keyof RegistryClientConfig, message: string): void =>
    context.addIssue({ code: 'custom', path: [setting], message });
  const {
    FLOTILLA_REGISTRY_URL: url,
    FLOTILLA_REGISTRY_TLS_CA_FILE: ca,
    FLOTILLA_REGISTRY_TLS_CERT_FILE: cert,
    FLOTILLA_REGISTRY_TLS_KEY_FILE: key,
  } = config;
  if (cert && !key) report('FLOTILLA_REGISTRY_TLS_KEY_FILE', 'FLOTILLA_REGISTRY_TLS_CERT_FILE is set');
  if (key && !cert) report('FLOTILLA_REGISTRY_TLS_CERT_FILE', 'FLOTILLA_REGISTRY_TLS_KEY_FILE is set');
  if ((ca || cert) && !url.startsWith('https:'))
    report('FLOTILLA_REGISTRY_URL', 'certificates are set, and only https: uses them. Name an https: URL.');
  const [caName, certName, keyName] = (['CA', 'CERT', 'KEY'] as const).map(
    (name) => `FLOTILLA_REGISTRY_TLS_${name}_FILE` as const,
  ) as [string, string, string];
  try {
    checkPair({ ca: ca?.[0], cert: cert?.[0], key: key?.[0], caName, certName, keyName });
  } catch (error) {
    const [setting = '', ...reason] = (error as Error).message.split(': ');
    report(setting as keyof RegistryClientConfig, reason.join(': '));
  }
}

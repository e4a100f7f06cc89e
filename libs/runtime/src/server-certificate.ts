import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type Server } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from './log.ts';
import { counter, gauge } from './metrics.ts';
import { attempt, checkPair, unusable } from './pem-pair.ts';

/** The servers that can serve TLS, as their metrics name them, and the beginning of the names of their settings. */
export const tlsSettingsOf = {
  signaling: 'FLOTILLA_TLS',
  registry: 'FLOTILLA_REST_TLS',
  console: 'FLOTILLA_CONSOLE_TLS',
  edge: 'FLOTILLA_EDGE_TLS',
} as const;
export type TlsServerName = keyof typeof tlsSettingsOf;

/** Paths of PEM files: the certificate with its chain, its private key, and the authority of clients' certificates, if they need one. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string | undefined;
}

/** The texts of these files. */
interface Texts {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

/** RFC 8996: TLS 1.2 or later. */
const tlsOptions = ({ cert, key, ca }: Texts) => ({
  cert,
  key,
  minVersion: 'TLSv1.2' as const,
  ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }),
});

/** Interval between two reads of the files, ms. */
const defaultIntervalMs = 5000;

/**
 * The certificate of a server, and the authority of its clients. Their files are read periodically instead of watched, because Kubernetes replaces a
 * symbolic link above them.
 */
export class ServerCertificate {
  #texts: Texts;
  readonly #expiry;
  readonly #reloads;
  /** Message of the last failures, and how many there were in a row. */
  #failure = { message: '', times: 0 };

  private constructor(
    private readonly server: TlsServerName,
    private readonly files: CertificateFiles,
    texts: Texts,
    private readonly log: Logger,
  ) {
    this.#texts = texts;
    this.#expiry = gauge({
      name: `${server}_tls_certificate_expiry_seconds`,
      help: 'notAfter of the certificate in use, in Unix time.',
    });
    this.#reloads = counter({
      name: `${server}_tls_certificate_reloads_total`,
      help: 'Changes of the certificate files, by whether they were loaded.',
      labelNames: ['outcome'],
    });
  }

  /** Throws an Error whose message, one line, names the setting and the reason. */
  static async load(server: TlsServerName, files: CertificateFiles, log: Logger): Promise<ServerCertificate> {
    const texts = await readTexts(server, files);
    const certificate = new ServerCertificate(server, files, texts, log);
    certificate.#serve(texts);
    return certificate;
  }

  /** Options to create the HTTPS server with. */
  get serverOptions(): ReturnType<typeof tlsOptions> & { readonly handshakeTimeout: number } {
    return { ...tlsOptions(this.#texts), handshakeTimeout: 10_000 };
  }

  /**
   * Loads the files when they change, for new connections; open ones keep their certificate. An invalid file is reported
   * once, and the certificate in use stays.
   *
   * @returns a function that stops it.
   */
  reloadOnChange(server: Server, intervalMs = defaultIntervalMs): () => void {
    let stopped = false;
    let timer: NodeJS.Timeout;
    const schedule = (): void => {
      timer = setTimeout(() => void this.#reload(server).finally(() => stopped || schedule()), intervalMs).unref();
    };
    schedule();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  async #reload(server: Server): Promise<void> {
    try {
      const texts = await readTexts(this.server, this.files);
      this.#failure = { message: '', times: 0 };
      if (isDeepStrictEqual(texts, this.#texts)) return;
      server.setSecureContext(tlsOptions(texts));
      this.#serve(texts);
      this.#reloads.inc({ outcome: 'ok' });
      this.log.info({ validTo: validTo(texts) }, 'TLS certificate loaded');
    } catch (error) {
      const { message } = error as Error;
      this.#failure = { message, times: message === this.#failure.message ? this.#failure.times + 1 : 1 };
      // The first failure may have read one file before and the other after their replacement.
      if (this.#failure.times !== 2) return;
      this.#reloads.inc({ outcome: 'failed' });
      this.log.warn({ reason: message }, 'TLS certificate not loaded, keeping the one in use');
    }
  }

  #serve(texts: Texts): void {
    this.#texts = texts;
    const end = validTo(texts);
    this.#expiry.set(end.getTime() / 1000);
    if (end.getTime() < Date.now()) this.log.warn({ validTo: end }, 'TLS certificate has expired');
  }
}

/** `notAfter` of a certificate. */
export const validTo = ({ cert }: Pick<Texts, 'cert'>): Date => new Date(new X509Certificate(cert).validTo);

/** Reads the files of a server. Throws as `ServerCertificate.load`. */
export async function readTexts(server: TlsServerName, { cert, key, clientCa }: CertificateFiles): Promise<Texts> {
  const prefix = tlsSettingsOf[server];
  const read = (path: string, name: string): Promise<string> =>
    readFile(path, 'utf8').catch(unusable(`${prefix}_${name}`));
  const texts = {
    cert: await read(cert, 'CERT'),
    key: await read(key, 'KEY'),
    ...(clientCa !== undefined && { ca: await read(clientCa, 'CLIENT_CA') }),
  };
  const [certName, keyName, caName] = [`${prefix}_CERT`, `${prefix}_KEY`, `${prefix}_CLIENT_CA`];
  checkPair({ ...texts, certName, keyName, caName });
  attempt(`${prefix}_CERT`, () => createSecureContext(tlsOptions(texts)));
  return texts;
}

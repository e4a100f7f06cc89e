import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type Server } from 'node:tls';
import { counter, gauge, type Logger } from '@flotilla/runtime';

const expiry = gauge({
  name: 'signaling_tls_certificate_expiry_seconds',
  help: 'notAfter of the certificate in use, in Unix time.',
});
const reloads = counter({
  name: 'signaling_tls_certificate_reloads_total',
  help: 'Changes of the certificate files, by whether they were loaded.',
  labelNames: ['outcome'],
});

/** Paths of PEM files: the certificate with its chain, and its private key. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** RFC 8996: TLS 1.2 or later. */
const tlsOptions = ({ cert, key }: Pair) => ({ cert, key, minVersion: 'TLSv1.2' as const });

/** Interval between two reads of the files, ms. */
const defaultIntervalMs = 5000;

/**
 * The certificate that the gateway serves. Its files are read periodically instead of watched, because Kubernetes replaces a
 * symbolic link above them.
 */
export class Certificate {
  #pair: Pair;
  /** Message of the last failures, and how many there were in a row. */
  #failure = { message: '', times: 0 };

  private constructor(
    private readonly files: CertificateFiles,
    pair: Pair,
    private readonly log: Logger,
  ) {
    this.#pair = pair;
  }

  /** Throws an Error whose message, one line, names the setting and the reason. */
  static async load(files: CertificateFiles, log: Logger): Promise<Certificate> {
    const pair = await readPair(files);
    const certificate = new Certificate(files, pair, log);
    certificate.#serve(pair);
    return certificate;
  }

  /** Options to create the HTTPS server with. */
  get serverOptions(): ReturnType<typeof tlsOptions> & { readonly handshakeTimeout: number } {
    return { ...tlsOptions(this.#pair), handshakeTimeout: 10_000 };
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
      const pair = await readPair(this.files);
      this.#failure = { message: '', times: 0 };
      if (pair.cert === this.#pair.cert && pair.key === this.#pair.key) return;
      server.setSecureContext(tlsOptions(pair));
      this.#serve(pair);
      reloads.inc({ outcome: 'ok' });
      this.log.info({ validTo: validTo(pair) }, 'TLS certificate loaded');
    } catch (error) {
      const { message } = error as Error;
      this.#failure = { message, times: message === this.#failure.message ? this.#failure.times + 1 : 1 };
      // The first failure may have read one file before and the other after their replacement.
      if (this.#failure.times !== 2) return;
      reloads.inc({ outcome: 'failed' });
      this.log.warn({ reason: message }, 'TLS certificate not loaded, keeping the one in use');
    }
  }

  #serve(pair: Pair): void {
    this.#pair = pair;
    const end = validTo(pair);
    expiry.set(end.getTime() / 1000);
    if (end.getTime() < Date.now()) this.log.warn({ validTo: end }, 'TLS certificate has expired');
  }
}

const validTo = ({ cert }: Pair): Date => new Date(new X509Certificate(cert).validTo);

async function readPair(files: CertificateFiles): Promise<Pair> {
  const [cert, key] = await Promise.all([
    readFile(files.cert, 'utf8').catch(unusable('FLOTILLA_TLS_CERT')),
    readFile(files.key, 'utf8').catch(unusable('FLOTILLA_TLS_KEY')),
  ]);
  const certificate = attempt('FLOTILLA_TLS_CERT', () => new X509Certificate(cert));
  const privateKey = attempt('FLOTILLA_TLS_KEY', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error('FLOTILLA_TLS_KEY: not the private key of the certificate in FLOTILLA_TLS_CERT');
  attempt('FLOTILLA_TLS_CERT', () => createSecureContext(tlsOptions({ cert, key })));
  return { cert, key };
}

const unusable =
  (setting: string) =>
  (error: unknown): never => {
    throw new Error(`${setting}: ${(error as Error).message}`, { cause: error });
  };

function attempt<T>(setting: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    return unusable(setting)(error);
  }
}

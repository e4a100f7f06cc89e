import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type Server } from 'node:tls';
import { counter, gauge, type Logger } from '@flotilla/runtime';

const expiry = gauge({
  name: 'signaling_tls_certificate_expiry_seconds',
  help: 'When the certificate that is served expires: its notAfter, in Unix time.',
});
const reloads = counter({
  name: 'signaling_tls_certificate_reloads_total',
  help: 'Changes of the certificate files, by whether what they hold is served now.',
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

/** TLS 1.2 at least, RFC 8996. */
const tlsOptions = ({ cert, key }: Pair) => ({ cert, key, minVersion: 'TLSv1.2' as const });

/** How often the files are read again, in milliseconds. */
const defaultEveryMs = 5000;

/**
 * The certificate that the gateway serves, kept up with its files. They are read and compared, not watched: Kubernetes swaps
 * a symbolic link above them, and editors rename.
 */
export class Certificate {
  #pair: Pair;
  /** Why the last readings failed, and how many of them in a row. */
  #failure = { message: '', times: 0 };

  private constructor(
    private readonly files: CertificateFiles,
    pair: Pair,
    private readonly log: Logger,
  ) {
    this.#pair = pair;
  }

  /** Throws an Error of one line: which file can't be used, and why. */
  static async load(files: CertificateFiles, log: Logger): Promise<Certificate> {
    const pair = await readPair(files);
    const certificate = new Certificate(files, pair, log);
    certificate.#serve(pair);
    return certificate;
  }

  /** What an HTTPS server begins with. */
  get serverOptions(): ReturnType<typeof tlsOptions> & { readonly handshakeTimeout: number } {
    return { ...tlsOptions(this.#pair), handshakeTimeout: 10_000 };
  }

  /**
   * From now on new connections get what the files hold. Those that are open stay. Files that can't be used are reported
   * once, and what is served stays.
   *
   * @returns how to stop.
   */
  reloadOnChange(server: Server, everyMs = defaultEveryMs): () => void {
    let stopped = false;
    let timer: NodeJS.Timeout;
    const again = (): void => {
      timer = setTimeout(() => void this.#reload(server).finally(() => stopped || again()), everyMs).unref();
    };
    again();
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
      this.log.info({ validTo: validTo(pair) }, 'the new TLS certificate is served');
    } catch (error) {
      const { message } = error as Error;
      this.#failure = { message, times: message === this.#failure.message ? this.#failure.times + 1 : 1 };
      // The first may have read one file before it was replaced and the other after.
      if (this.#failure.times !== 2) return;
      reloads.inc({ outcome: 'failed' });
      this.log.warn(`the TLS certificate that was served is kept: ${message}`);
    }
  }

  #serve(pair: Pair): void {
    this.#pair = pair;
    const end = validTo(pair);
    expiry.set(end.getTime() / 1000);
    if (end.getTime() < Date.now()) this.log.warn({ validTo: end }, 'the TLS certificate has expired');
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

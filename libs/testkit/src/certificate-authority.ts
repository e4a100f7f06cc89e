import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of a certificate and its key. */
export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' });

/** An authority that signs certificates for 127.0.0.1 and localhost, made by openssl. Files are in `directory`. */
export class CertificateAuthority {
  readonly caFile: string;
  readonly #keyFile: string;

  constructor(
    private readonly directory: string,
    name = 'ca',
  ) {
    this.caFile = join(directory, `${name}.pem`);
    this.#keyFile = join(directory, `${name}-key.pem`);
    const subject = ['-subj', `/CN=authority ${name}`, '-days', '2'];
    openssl('req', '-x509', ...newKey, ...subject, '-keyout', this.#keyFile, '-out', this.caFile);
  }

  /** Makes a certificate for server and client. Files of an earlier one with the name are replaced. */
  issue(name: string): CertificatePaths {
    const file = (suffix: string): string => join(this.directory, `${name}${suffix}`);
    const paths = { cert: file('.pem'), key: file('-key.pem') };
    openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', paths.key, '-out', file('.request'));
    writeFileSync(file('.extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost');
    openssl(
      ...['x509', '-req', '-in', file('.request'), '-CA', this.caFile, '-CAkey', this.#keyFile, '-CAcreateserial'],
      ...['-days', '2', '-extfile', file('.extensions'), '-out', paths.cert],
    );
    return paths;
  }
}

import { pemText } from '@flotilla/runtime';
import { CertificateAuthority } from '@flotilla/testkit';
import type { TlsTexts } from '../src/index.ts';

export interface Certificates {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly tls: TlsTexts;
}

/** Makes an authority, and a certificate for 127.0.0.1, for server and client. */
export function makeCertificates(directory: string): Certificates {
  const authority = new CertificateAuthority(directory);
  const { cert, key } = authority.issue('server');
  return {
    caFile: authority.caFile,
    certFile: cert,
    keyFile: key,
    tls: { ca: pemText(authority.caFile), cert: pemText(cert), key: pemText(key) },
  };
}

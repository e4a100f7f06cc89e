import type { PemText } from '@flotilla/runtime';

/** PEM texts: the authority that signed the server's certificate, and the certificate and key that the client presents. */
export interface TlsTexts {
  readonly ca?: PemText | undefined;
  readonly cert?: PemText | undefined;
  readonly key?: PemText | undefined;
}

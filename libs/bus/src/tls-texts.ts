/** PEM texts: the authority that signed the server's certificate, and the certificate and key that the client presents. */
export interface TlsTexts {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

import { createPrivateKey, X509Certificate } from 'node:crypto';

/** Texts of PEM files, and the settings that name them. */
export interface PemPair {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
  readonly certName: string;
  readonly keyName: string;
  readonly caName: string;
}

/** Throws an Error whose message, one line, names the setting that is no PEM of its kind, or not the key of the certificate. */
export function checkPair({ cert, key, ca, certName, keyName, caName }: PemPair): void {
  if (ca !== undefined) attempt(caName, () => certificateOf(ca));
  if (cert === undefined || key === undefined) return;
  const certificate = attempt(certName, () => certificateOf(cert));
  const privateKey = attempt(keyName, () => keyOf(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error(`${keyName}: not the private key of the certificate in ${certName}`);
}

const expected =
  <T>(what: string, parse: (text: string) => T) =>
  (text: string): T => {
    try {
      return parse(text);
    } catch (error) {
      throw new Error(`a file with ${what} in PEM is expected (${(error as Error).message})`, { cause: error });
    }
  };
const certificateOf = expected('a certificate', (text) => new X509Certificate(text));
const keyOf = expected('an unencrypted private key', (text) => createPrivateKey(text));

/** Throws an Error with the name of a setting before the reason. */
export const unusable =
  (setting: string) =>
  (error: unknown): never => {
    throw new Error(`${setting}: ${(error as Error).message}`, { cause: error });
  };

/** Runs work, and throws as `unusable` when it throws. */
export function attempt<T>(setting: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    return unusable(setting)(error);
  }
}

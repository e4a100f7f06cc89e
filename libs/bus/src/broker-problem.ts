/** The failures of network and TLS that both brokers share, without addresses and names: clients may see the text. */
export function networkProblemOf(broker: string, error: unknown): string | undefined {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const said = `${code} ${message}`;
  if (/ENOTFOUND|EAI_AGAIN/.test(said)) return `the host of ${broker} is unknown`;
  if (said.includes('ECONNREFUSED')) return `${broker} is not running`;
  const certificate = certificateProblemOf(broker, error);
  if (certificate) return certificate;
  if (/ETIMEDOUT|timed out|heartbeat timeout/i.test(said)) return `${broker} does not answer`;
  return undefined;
}

/** Which certificate was not accepted, when that is why TLS failed. */
export function certificateProblemOf(broker: string, error: unknown): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException;
  // The alerts are what the server sends (RFC 8446, section 6).
  if (/ALERT.*CERTIFICATE/.test(code)) return `${broker} does not accept the certificate of this service`;
  return /CERT|SELF_SIGNED|UNABLE_TO_/.test(code) ? `the certificate of ${broker} is not accepted` : undefined;
}

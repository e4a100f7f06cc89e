import type { z } from 'zod';
import type { Logger } from './log.ts';
import {
  type CertificateFiles,
  readTexts,
  ServerCertificate,
  tlsSettingsOf,
  type TlsServerName,
  validTo,
} from './server-certificate.ts';

type Settings = Readonly<Record<string, unknown>>;

function filesIn(server: TlsServerName, config: Settings): CertificateFiles | undefined {
  const prefix = tlsSettingsOf[server];
  const [cert, key, clientCa] = ['CERT', 'KEY', 'CLIENT_CA'].map((name) => config[`${prefix}_${name}`]);
  return typeof cert === 'string' && typeof key === 'string'
    ? { cert, key, clientCa: typeof clientCa === 'string' ? clientCa : undefined }
    : undefined;
}

/** The certificate that the settings name, undefined when the server is to serve plain HTTP. Throws as `ServerCertificate.load`. */
export async function serverCertificate(
  server: TlsServerName,
  config: Settings,
  log: Logger,
): Promise<ServerCertificate | undefined> {
  const files = filesIn(server, config);
  return files && ServerCertificate.load(server, files, log);
}

/** What is wrong with the files of each server's settings and how to correct it, one line each. */
export async function certificateProblems(config: Settings): Promise<string[]> {
  const servers = Object.keys(tlsSettingsOf) as TlsServerName[];
  const found = await Promise.all(
    servers.map(async (server) => {
      const files = filesIn(server, config);
      return (
        files && readTexts(server, files).then(expiryProblem(tlsSettingsOf[server]), ({ message }: Error) => message)
      );
    }),
  );
  return found.filter((problem) => problem !== undefined);
}

const expiryProblem =
  (prefix: string) =>
  (texts: { readonly cert: string }): string | undefined => {
    const end = validTo(texts);
    return end.getTime() < Date.now() ? `${prefix}_CERT: it expired on ${end.toISOString()}. Renew it.` : undefined;
  };

/** Reports settings of a server's certificate that need another one that is missing. */
export function checkServerTls(server: TlsServerName) {
  const prefix = tlsSettingsOf[server];
  return (config: Settings, context: z.RefinementCtx): void => {
    const requires = (setting: string, other: string): void => {
      if (config[`${prefix}_${setting}`] === undefined || config[`${prefix}_${other}`] !== undefined) return;
      const message = `${prefix}_${setting} is set`;
      context.addIssue({ code: 'custom', path: [`${prefix}_${other}`], message });
    };
    requires('CERT', 'KEY');
    requires('KEY', 'CERT');
    requires('CLIENT_CA', 'CERT');
  };
}

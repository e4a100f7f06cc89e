import type { IncomingMessage } from 'node:http';
import { type ApiKey, ApiKeyCheck, type AuditedWrite, auditWrite } from '@flotilla/auth';
import { type ApiScope, FlotillaError } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Request } from 'express';

/** Paths of the REST API, as Express matches them. All of them need an API key. */
const restPath = /^\/v1\/rooms\/(?<room>[^/?]+)\/(?<kind>ingest|recording)s(?:\/(?<id>[^/?]+))?\/?(?:\?|$)/i;

const actions: Readonly<Record<string, string>> = {
  'POST ingest': 'createIngest',
  'DELETE ingest': 'deleteIngest',
  'POST recording': 'createRecording',
  'DELETE recording': 'stopRecording',
};

/**
 * What the audit log has of a request that changes something, undefined for others. Before Express has matched its route, the parameters
 * are as they were sent.
 */
export function writeOf({ method, path, params, route }: Request): Omit<AuditedWrite, 'outcome'> | undefined {
  const { room, kind = '', id } = restPath.exec(path)?.groups ?? {};
  const of = kind.toLowerCase();
  const action = actions[`${method} ${of}`];
  if (action === undefined) return undefined;
  return { action, target: route ? params : { room, ...(id !== undefined && { [of]: id }) } };
}

/** Checks API keys: known, with the scope of the route, for the whole fleet, within their rate. Writes the audit log of what they change. */
export class ApiKeys {
  readonly #keys: ApiKeyCheck | undefined;

  /**
   * @param keys the keys of now; undefined: every request is served, and none is audited
   * @param perSecond requests of one key per second
   */
  constructor(
    keys: (() => readonly ApiKey[]) | undefined,
    perSecond: number,
    private readonly log: Pick<Logger, 'info'>,
  ) {
    this.#keys = keys && new ApiKeyCheck(keys, perSecond);
  }

  /** For `protectServer`: whether a request has a known API key. Throws UNAUTHENTICATED and FORBIDDEN for one that needs it. */
  readonly authenticate = ({ url = '', headers }: IncomingMessage): boolean => {
    if (!this.#keys || !restPath.test(url)) return false;
    this.#keys.identify(headers.authorization);
    return true;
  };

  /** The known key in an `Authorization` field, if there is one. */
  find(authorization: string | undefined): ApiKey | undefined {
    return this.#keys?.find(authorization);
  }

  /** The key in an `Authorization` field; undefined when none is needed. Throws UNAUTHENTICATED, FORBIDDEN. */
  identify(authorization: string | undefined): ApiKey | undefined {
    return this.#keys?.identify(authorization);
  }

  /** The key of a request of the REST API; undefined when none is needed. Throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED. */
  check(request: Request, scope: ApiScope): ApiKey | undefined {
    const key = this.identify(request.headers.authorization);
    this.admit(key, scope, request);
    return key;
  }

  /** Audits a request of the REST API that failed, if it has a known key. Returns the failure to answer, see `ApiKeyCheck.failureOf`. */
  failed(request: Request, failure: FlotillaError): FlotillaError {
    const key = this.find(request.headers.authorization);
    if (!this.#keys || !key || !restPath.test(request.path)) return failure;
    const answered = this.#keys.failureOf(key, request, failure);
    const write = writeOf(request);
    if (write) this.audit(key, { ...write, outcome: answered.code });
    return answered;
  }

  /** Counts a request of a key for what needs the scope. Throws RATE_LIMITED, FORBIDDEN. @param request counts once */
  admit(key: ApiKey | undefined, scope: ApiScope, request?: Request): void {
    if (!key) return;
    this.#keys?.take(key, request);
    requireScope(key, scope);
  }

  /** Whether a key is known and sufficient now. It counts as no request. */
  accepts(authorization: string | undefined, scope: ApiScope): boolean {
    try {
      const key = this.identify(authorization);
      if (key) requireScope(key, scope);
      return true;
    } catch {
      return false;
    }
  }

  /** Logs what a key changed, or could not change. */
  audit(key: ApiKey, write: AuditedWrite): void {
    auditWrite(this.log, key, write);
  }
}

function requireScope({ name, scopes, tenant }: ApiKey, scope: ApiScope): void {
  if (!scopes.includes(scope)) throw new FlotillaError('FORBIDDEN', `the API key ${name} has no scope ${scope}`);
  // The edge's own key is for all rooms, and a tenant may only reach its own.
  if (tenant !== undefined)
    throw new FlotillaError(
      'FORBIDDEN',
      `the API key ${name} is for one tenant; the media edge takes keys of the fleet`,
    );
}

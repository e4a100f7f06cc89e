import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type CreateRoom, IssuedToken, type IssueFleetToken, type IssueToken, roomGrants } from '@flotilla/contracts';
import type { z } from 'zod';
import { uniqueName } from './unique-name.ts';

/** A running Flotilla in any deployment, as scenarios use it. */
export interface Topology {
  readonly name: string;
  /** The call page. */
  readonly pageUrl: string;
  /** The signaling gateways; any of them serves any session. */
  readonly signalUrls: readonly string[];
  readonly api: RestApi;
  /** A valid token whose lifetime has passed. */
  expiredToken(room: string): Promise<string>;
  /** A token for any room, with all grants of a participant, of a user with its tenant. */
  tokenOf(userId: string): Promise<string>;
  /** Process id of the parent of the node's workers. */
  processOfNode(nodeId: string): number;
  stop(): Promise<void>;
}

/** The URL of a gateway by its index, modulo the number of gateways. */
export function gatewayUrl({ signalUrls }: Topology, gateway = 0): string {
  return signalUrls[gateway % signalUrls.length]!;
}

/** The REST API with its key. */
export class RestApi {
  constructor(
    readonly url: string,
    readonly apiKey: string | undefined,
  ) {}

  async request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: unknown }> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(this.apiKey !== undefined && { authorization: `Bearer ${this.apiKey}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isText = response.headers.get('content-type')?.startsWith('text/');
    return { status: response.status, body: text === '' ? undefined : isText ? text : (JSON.parse(text) as unknown) };
  }

  async createRoom(room: z.input<typeof CreateRoom>): Promise<void> {
    const { status, body } = await this.request('POST', '/v1/rooms', room);
    if (status !== 201) throw new Error(`room not created: ${status} ${JSON.stringify(body)}`);
  }

  /** Creates a room with a unique name, which it returns. */
  async newRoom(prefix: string, settings: Omit<z.input<typeof CreateRoom>, 'name'> = {}): Promise<string> {
    const name = uniqueName(prefix);
    await this.createRoom({ name, ...settings });
    return name;
  }

  /** A token for a room, with all grants of a participant unless others are named. */
  async issueToken(room: string, parameters: Partial<z.input<typeof IssueToken>> = {}): Promise<string> {
    const request: z.input<typeof IssueToken> = { grants: [...roomGrants], ...parameters };
    const { status, body } = await this.request('POST', `/v1/rooms/${room}/tokens`, request);
    if (status !== 201) throw new Error(`token not issued: ${status} ${JSON.stringify(body)}`);
    return IssuedToken.parse(body).token;
  }

  /** A token for any room, with all grants of a participant, unless others are named. */
  async issueFleetToken(parameters: Partial<z.input<typeof IssueFleetToken>>): Promise<string> {
    const request: z.input<typeof IssueFleetToken> = { room: '*', grants: [...roomGrants], ...parameters };
    const { status, body } = await this.request('POST', '/v1/tokens', request);
    if (status !== 201) throw new Error(`token not issued: ${status} ${JSON.stringify(body)}`);
    return IssuedToken.parse(body).token;
  }
}

/** Process ids of the mediasoup workers of a process. Linux only. */
export function mediaWorkersOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const ppid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
        return ppid === parent && readlinkSync(`/proc/${pid}/exe`).endsWith('mediasoup-worker');
      } catch {
        // The process ended meanwhile.
        return false;
      }
    });
}

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type CreateRoom, IssuedToken, type IssueFleetToken, type IssueToken } from '@flotilla/contracts';
import type { z } from 'zod';

/** A running Flotilla, however it is put together: what scenarios need to know of it. */
export interface Topology {
  readonly name: string;
  /** The call page. */
  readonly pageUrl: string;
  /** The signaling gateways; any of them serves any session. */
  readonly signalUrls: readonly string[];
  readonly api: RestApi;
  readonly apiKeyRequired: boolean;
  /** A token that was fine, and is past its time. */
  expiredToken(room: string): Promise<string>;
  /** The process that has the node's workers. */
  processOfNode(nodeId: string): number;
  stop(): Promise<void>;
}

/** The address of a gateway; counted on from the first again when there are fewer. */
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
    // What is no JSON says what it is.
    const isText = response.headers.get('content-type')?.startsWith('text/');
    return { status: response.status, body: text === '' ? undefined : isText ? text : (JSON.parse(text) as unknown) };
  }

  async createRoom(room: z.input<typeof CreateRoom>): Promise<void> {
    const { status, body } = await this.request('POST', '/v1/rooms', room);
    if (status !== 201) throw new Error(`room not created: ${status} ${JSON.stringify(body)}`);
  }

  async issueToken(room: string, wanted: z.input<typeof IssueToken> = {}): Promise<string> {
    const { status, body } = await this.request('POST', `/v1/rooms/${room}/tokens`, wanted);
    if (status !== 201) throw new Error(`token not issued: ${status} ${JSON.stringify(body)}`);
    return IssuedToken.parse(body).token;
  }

  /** A token that is for no room in particular. */
  async issueFleetToken(wanted: z.input<typeof IssueFleetToken>): Promise<string> {
    const { status, body } = await this.request('POST', '/v1/tokens', wanted);
    if (status !== 201) throw new Error(`token not issued: ${status} ${JSON.stringify(body)}`);
    return IssuedToken.parse(body).token;
  }
}

/** The mediasoup workers that a process runs, by their process ids. Linux only. */
export function mediaWorkersOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const ppid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
        return ppid === parent && readlinkSync(`/proc/${pid}/exe`).endsWith('mediasoup-worker');
      } catch {
        // It ended while we looked.
        return false;
      }
    });
}

import { FlotillaError, type ErrorCode, type RequestType } from '@flotilla/contracts';
import { vi } from 'vitest';

/** A request that the code under test sent. The test answers it, in any order. */
export interface SentRequest {
  readonly type: RequestType;
  readonly payload: Record<string, unknown>;
  reply(payload?: object): void;
  fail(code: ErrorCode): void;
}

/** Stands in for the SignalSession: records requests, and leaves the answers to the test. */
export class FakeSession {
  readonly requests: SentRequest[] = [];
  /** Answers a type of request at once; the other types wait for the test. */
  readonly answers = new Map<RequestType, (payload: Record<string, unknown>) => object | Promise<object>>();
  closed = false;

  request(type: RequestType, payload: Record<string, unknown>): Promise<object> {
    const { promise, resolve, reject } = Promise.withResolvers<object>();
    this.requests.push({
      type,
      payload,
      reply: (answer = {}) => resolve(answer),
      fail: (code) => reject(new FlotillaError(code)),
    });
    const answer = this.answers.get(type);
    return answer ? Promise.resolve(answer(payload)) : promise;
  }

  of(type: RequestType): SentRequest[] {
    return this.requests.filter((request) => request.type === type);
  }

  /** Resolves with the n-th request of a type, counted from 1, once it was sent. */
  nth(type: RequestType, count: number): Promise<SentRequest> {
    return vi.waitFor(
      () => {
        const request = this.of(type)[count - 1];
        if (!request) throw new Error(`${this.of(type).length} requests ${type} instead of ${count}`);
        return request;
      },
      { timeout: 5000, interval: 2 },
    );
  }

  setOffset(): void {}

  close(): void {
    this.closed = true;
  }
}

import { injectTrace } from '@flotilla/runtime';

/** The active trace as a further field of an event that a script writes; empty where tracing is off. */
export function traceField(): string {
  const trace = injectTrace();
  return Object.keys(trace).length > 0 ? `,"trace":${JSON.stringify(trace)}` : '';
}

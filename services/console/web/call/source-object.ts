import type { DirectiveResult } from 'lit/directive.js';
import { guard } from 'lit/directives/guard.js';

/**
 * A value for `.srcObject` that is set only when the stream changes. Lit sets object properties at every render, and a media
 * element restarts when it is assigned the same stream again.
 */
export function sourceObject(stream: MediaStream): DirectiveResult {
  return guard([stream], () => stream);
}

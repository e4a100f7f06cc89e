import type { DirectiveResult } from 'lit/directive.js';
import { guard } from 'lit/directives/guard.js';

/**
 * A value for `.srcObject`. Lit sets a property that is an object at every rendering, and a media element that is given the
 * same stream again starts over.
 */
export function sourceObject(stream: MediaStream): DirectiveResult {
  return guard([stream], () => stream);
}

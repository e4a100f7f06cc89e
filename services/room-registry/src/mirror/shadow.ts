import { ConfigError } from '@flotilla/runtime';
import type { NodeStore } from '@flotilla/store';
import type { NextFunction, Request, Response } from 'express';
import type { z } from 'zod';

/** Header of every response of a shadow release: its FLOTILLA_NAMESPACE. */
export const shadowHeader = 'Flotilla-Shadow';

/**
 * Longest `emptyTimeoutSeconds` of a room of a shadow release, s. Nobody joins its rooms, and a deletion that is not mirrored would leave
 * one for ever.
 */
export const shadowEmptySeconds = 3600;

interface ShadowSettings {
  readonly FLOTILLA_NAMESPACE: string;
  readonly FLOTILLA_SHADOW_OF?: string | undefined;
}

/** Refuses a shadow release with the names of production. */
export function checkShadow(settings: ShadowSettings, context: z.core.$RefinementCtx): void {
  const { FLOTILLA_NAMESPACE: namespace, FLOTILLA_SHADOW_OF: production } = settings;
  if (namespace !== production) return;
  context.addIssue({
    code: 'custom',
    path: ['FLOTILLA_NAMESPACE'],
    message: `a shadow release needs a namespace of its own, and ${namespace} is that of production (FLOTILLA_SHADOW_OF). Name another, such as ${namespace}-shadow.`,
  });
}

/**
 * Makes sure that the namespace of a shadow release is not that of a fleet whose namespace FLOTILLA_SHADOW_OF does not name: a shadow
 * release has no SFU nodes.
 *
 * @throws ConfigError when SFU nodes report in it.
 */
export async function requireNoFleet(namespace: string, nodes: Pick<NodeStore, 'list'>): Promise<void> {
  const ids = (await nodes.list()).map(({ id }) => id);
  if (ids.length === 0) return;
  throw new ConfigError([
    `FLOTILLA_NAMESPACE: ${ids.length} SFU nodes, such as ${ids[0]}, report in ${namespace}, so it is that of a fleet. A shadow release (FLOTILLA_SHADOW_OF) needs one of its own.`,
  ]);
}

/** Express middleware that marks all responses. */
export const markShadow = (namespace: string) => (_request: Request, response: Response, next: NextFunction) => {
  response.set(shadowHeader, namespace);
  next();
};

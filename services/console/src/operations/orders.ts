import type { Backend } from '@flotilla/backend';
import { NodeId, OrderCandidate } from '@flotilla/contracts';
import { z } from 'zod';

/** An order of the operations page, which the registry carries out with the caller's API key. */
export const Order = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['cordon', 'uncordon', 'drain']), node: NodeId }),
  z.strictObject({ kind: z.enum(['promote', 'evacuate']), ...OrderCandidate.required().shape }),
  z.strictObject({ kind: z.literal('reset') }),
]);
export type Order = z.infer<typeof Order>;

export async function giveOrder(registry: Backend, order: Order): Promise<void> {
  switch (order.kind) {
    case 'cordon':
      await registry.cordonNode({ node: order.node });
      break;
    case 'uncordon':
      await registry.uncordonNode({ node: order.node });
      break;
    case 'drain':
      await registry.drainNode({ node: order.node });
      break;
    case 'promote':
      await registry.promoteCanary({ candidate: order.candidate });
      break;
    case 'evacuate':
      await registry.evacuateCanary({ candidate: order.candidate });
      break;
    case 'reset':
      await registry.resetCanary();
  }
}

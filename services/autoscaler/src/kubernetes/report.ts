import type { ScalingCause } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { V1Deployment } from '@kubernetes/client-node';
import type { ScalingDecision, ScalingTarget } from '../scaling/decision.ts';
import type { KubernetesApi } from './api.ts';
import type { Reconciliation } from './reconcile.ts';

/** Type of the condition in the status of the Deployment. */
const conditionType = 'FlotillaScaling';

const causes: Readonly<Record<ScalingCause, string>> = {
  sessions: 'required by its sessions',
  cpu: 'required by its CPU',
  minimum: 'the minimum',
  maximum: 'the maximum, and more are required',
  stabilization: 'required within the stabilisation window',
  unknown: 'unchanged, because no SFU node reports',
};

/** Reports the scaling in Kubernetes: Events of the Deployment, and a condition in its status. */
export class ScalingReport {
  /** Status, reason and message of the condition as last written. */
  #written: string | undefined;
  #victim: string | undefined;

  constructor(
    private readonly api: KubernetesApi,
    private readonly log: Logger,
  ) {}

  async scaled(deployment: V1Deployment, before: number, after: number, decision: ScalingTarget): Promise<void> {
    const isOut = after > before;
    const expected = Math.ceil(decision.expectedSessions);
    await this.#event(
      deployment,
      isOut ? 'ScaledOut' : 'ScaledIn',
      `From ${before} to ${after} pods. Target: ${decision.nodes} serving pods (${causes[decision.cause]}), for ${expected} expected sessions.`,
    );
  }

  /** Writes the condition when it differs from what was last written, and Events for what began. */
  async condition(
    { outcome, victim }: Reconciliation,
    decision: ScalingDecision,
    deployment: V1Deployment,
  ): Promise<void> {
    const reason = outcome === 'Steady' && decision.cause === 'maximum' ? 'AtMaximum' : outcome;
    const message =
      `Target: ${decision.nodes} serving pods (${causes[decision.cause]}).` +
      (outcome === 'Paused' ? ' Not applied: the Deployment is annotated flotilla/scaling=paused.' : '') +
      (victim ? ` The peers of ${victim.name} are being moved to other pods.` : '');
    const status = outcome === 'Paused' ? 'False' : 'True';
    const text = `${status} ${reason} ${message}`;
    if (text === this.#written) return;
    const isNewReason = this.#written?.split(' ')[1] !== reason;
    const known = deployment.status?.conditions?.find(({ type }) => type === conditionType);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : undefined;
    const now = new Date();
    await this.api.setCondition({
      type: conditionType,
      status,
      reason,
      message,
      lastUpdateTime: now,
      lastTransitionTime: lastTransitionTime ?? now,
    });
    this.#written = text;
    if (victim && victim.name !== this.#victim)
      await this.#event(
        deployment,
        'EmptyingPod',
        `${victim.node?.reserved ?? 0} sessions of ${victim.name} are being moved to other pods.`,
      );
    this.#victim = victim?.name;
    if (!isNewReason) return;
    if (reason === 'Paused' || reason === 'AtMaximum') await this.#event(deployment, reason, message);
  }

  /** Never rejects: an Event that cannot be written is logged. */
  async #event(deployment: V1Deployment, reason: string, message: string): Promise<void> {
    const type = reason === 'AtMaximum' ? 'Warning' : 'Normal';
    await this.api
      .createEvent(deployment, type, reason, message)
      .catch((error: unknown) => this.log.debug({ err: error, reason }, 'Event not written'));
  }
}

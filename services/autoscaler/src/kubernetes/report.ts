import type { Logger } from '@flotilla/runtime';
import type { V1Deployment } from '@kubernetes/client-node';
import type { ScalingCause, ScalingDecision } from '../scaling/decision.ts';
import type { KubernetesApi } from './api.ts';
import type { Reconciliation } from './reconcile.ts';

/** Type of the condition in the status of the Deployment. */
const conditionType = 'FlotillaScaling';

const causes: Readonly<Record<ScalingCause, string>> = {
  sessions: 'its sessions need as many',
  cpu: 'its CPU needs as many',
  minimum: 'it is the minimum',
  maximum: 'it is the maximum, and more would be needed',
  stabilization: 'as many were needed within the stabilisation window',
  unknown: 'no SFU node reports',
};

/** Reports the scaling in Kubernetes: Events of the Deployment, and a condition in its status. */
export class ScalingReport {
  #said: string | undefined;
  #victim: string | undefined;

  constructor(
    private readonly api: KubernetesApi,
    private readonly log: Logger,
  ) {}

  async scaled(deployment: V1Deployment, before: number, after: number, decision: ScalingDecision): Promise<void> {
    const isOut = after > before;
    const expected = Math.ceil(decision.expectedSessions);
    await this.#event(
      deployment,
      isOut ? 'ScaledOut' : 'ScaledIn',
      `${before} to ${after} pods: ${decision.nodes} are to serve, ${causes[decision.cause]}; ${expected} sessions are expected`,
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
      `${decision.nodes} pods are to serve: ${causes[decision.cause]}.` +
      (outcome === 'Paused' ? ' The number stays as it is: the Deployment is annotated flotilla/scaling=paused.' : '') +
      (victim ? ` Peers of ${victim.name} are moved to others.` : '');
    const status = outcome === 'Paused' ? 'False' : 'True';
    const says = `${status} ${reason} ${message}`;
    if (says === this.#said) return;
    const isNewReason = this.#said?.split(' ')[1] !== reason;
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
    this.#said = says;
    if (victim && victim.name !== this.#victim)
      await this.#event(
        deployment,
        'EmptyingPod',
        `${victim.node?.reserved ?? 0} sessions of ${victim.name} are moved`,
      );
    this.#victim = victim?.name;
    if (!isNewReason) return;
    if (reason === 'Paused' || reason === 'AtMaximum') await this.#event(deployment, reason, message);
  }

  /** An Event that is lost changes nothing else. */
  async #event(deployment: V1Deployment, reason: string, message: string): Promise<void> {
    const type = reason === 'AtMaximum' ? 'Warning' : 'Normal';
    await this.api
      .createEvent(deployment, type, reason, message)
      .catch((error: unknown) => this.log.debug({ err: error, reason }, 'Event not written'));
  }
}

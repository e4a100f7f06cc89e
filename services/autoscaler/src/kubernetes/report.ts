import type { ScalingCause } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { V1Deployment, V1DeploymentCondition } from '@kubernetes/client-node';
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

const textOf = ({ status, reason, message }: Pick<V1DeploymentCondition, 'status' | 'reason' | 'message'>): string =>
  `${status} ${reason} ${message}`;

/** Reports the scaling in Kubernetes: Events of the Deployment, and a condition in its status. */
export class ScalingReport {
  /** The condition as this instance last wrote it, and the version of the Deployment that it had read. */
  #written: { readonly text: string; readonly version: string | undefined } | undefined;
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

  /** Writes the condition when it differs from that of the Deployment, and Events for what began. */
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
    const known = deployment.status?.conditions?.find(({ type }) => type === conditionType);
    const text = textOf({ status, reason, message });
    const version = deployment.metadata?.resourceVersion;
    // Until the watch has the Deployment with what was written, it shows the condition before.
    const isPending = text === this.#written?.text && version === this.#written.version;
    if (isPending || (known && text === textOf(known))) return;
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
    this.#written = { text, version };
    if (victim && victim.name !== this.#victim)
      await this.#event(
        deployment,
        'EmptyingPod',
        `${victim.node?.reserved ?? 0} sessions of ${victim.name} are being moved to other pods.`,
      );
    this.#victim = victim?.name;
    if (known?.reason === reason) return;
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

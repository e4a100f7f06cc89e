import { certificateProblemOf, networkProblemOf } from '../broker-problem.ts';

export const unavailable = 'RabbitMQ is unavailable';

/** What RabbitMQ refuses for a reason that stays until somebody changes a setting. */
const refusals = {
  credentials: 'RabbitMQ refused the user or the password',
  'virtual host': 'RabbitMQ has no such virtual host, or its user may not use it',
  operation: 'the user of RabbitMQ may not do this',
} as const;

/** What RabbitMQ refuses to a connection or to what is set up on it; undefined when the error is another. */
export function rabbitMqRefusalOf({ message }: Error): keyof typeof refusals | undefined {
  if (/Handshake terminated by server: 403/.test(message)) return 'credentials';
  // amqplib (2.3.1) keeps no reason of a close that answers `connection.open`, which names the virtual host.
  if (/NOT[-_]ALLOWED|ConnectionOpenOk; got <ConnectionClose/.test(message)) return 'virtual host';
  return /ACCESS[-_]REFUSED/.test(message) ? 'operation' : undefined;
}

/** Why a connection failed. Without addresses and names: clients may see it. */
export function rabbitMqProblemOf(error: Error): string {
  const refusal = rabbitMqRefusalOf(error);
  return refusal ? refusals[refusal] : (networkProblemOf('RabbitMQ', error) ?? unavailable);
}

/** Whether a connection that failed so will fail again until somebody changes a setting. */
export const isLastingProblem = (error: Error): boolean =>
  rabbitMqRefusalOf(error) !== undefined || certificateProblemOf('RabbitMQ', error) !== undefined;

import type { Channel, ChannelModel } from 'amqplib';

/**
 * Declares what does not exist. To look whether it exists needs no permission, so that a user who may not declare it can use what an
 * operator has declared. Throws when RabbitMQ refuses the declaration.
 */
export async function declareMissing(
  model: ChannelModel,
  check: (channel: Channel) => Promise<unknown>,
  declare: (channel: Channel) => Promise<unknown>,
): Promise<void> {
  // RabbitMQ closes a channel on which something was looked for in vain.
  if (!(await onChannel(model, check).then(() => true, isMissing))) await onChannel(model, declare);
}

/** False for the error that something does not exist; throws any other. */
function isMissing(error: unknown): false {
  if ((error as { code?: number }).code === 404) return false;
  throw error;
}

async function onChannel(model: ChannelModel, work: (channel: Channel) => Promise<unknown>): Promise<void> {
  const channel = await model.createChannel();
  // The failure is that of `work`; without a listener it would end the process.
  channel.on('error', () => undefined);
  await work(channel);
  await channel.close();
}

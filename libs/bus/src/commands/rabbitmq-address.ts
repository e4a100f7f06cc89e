import { parseRabbitMqUrl } from '@flotilla/runtime';
import type { Options } from 'amqplib';
import type { TlsTexts } from '../tls-texts.ts';

/** Where RabbitMQ is, and how to connect to it. It is read for each connection: its password may have been replaced. */
export interface RabbitMqAddress {
  /** See `parseRabbitMqUrl`. */
  readonly url: string;
  readonly tls?: TlsTexts | undefined;
}

/** What amqplib needs in order to connect to a node. */
export interface RabbitMqNode {
  readonly connect: Options.Connect;
  readonly socket: TlsTexts;
}

/**
 * Heartbeat of a connection whose URL asks for none, in seconds. The broker disconnects a client from which it
 * received nothing for one to two of them. Until then it sends commands to a machine that has lost its power: with its own default of
 * 60 s, for two minutes.
 */
const defaultHeartbeat = 5;

/** The nodes that an address names. Throws if it is none: settings are checked at start. */
export function rabbitMqNodes({ url, tls = {} }: RabbitMqAddress): RabbitMqNode[] {
  const parts = parseRabbitMqUrl(url);
  if (!parts) throw new TypeError('the URL of RabbitMQ cannot be parsed');
  const { username, password, heartbeat = defaultHeartbeat } = parts;
  const common = { username, password, heartbeat, vhost: encodeURIComponent(parts.virtualHost) };
  return parts.nodes.map(({ host: hostname, port }) => ({
    connect: { protocol: parts.tls ? 'amqps' : 'amqp', hostname, port, ...common },
    socket: parts.tls ? tls : {},
  }));
}

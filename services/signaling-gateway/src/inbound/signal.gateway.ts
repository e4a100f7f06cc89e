import { type RequestType, signalRequests } from '@flotilla/contracts';
import { type ArgumentsHost, Catch, type ExceptionFilter, Inject, UseFilters } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Received, RequestHandler, RequestHandlers } from '../requests/request-handler.ts';

export const REQUEST_HANDLERS = Symbol('request handlers');

/** Rethrows to the dispatcher, which answers errors in the format of the protocol. */
@Catch()
class RethrowFilter implements ExceptionFilter {
  catch(error: unknown, _host: ArgumentsHost): never {
    throw error;
  }
}

/** Binds the table of request handlers to Nest, one message handler per request type. */
@WebSocketGateway()
@UseFilters(RethrowFilter)
export class SignalGateway {
  constructor(@Inject(REQUEST_HANDLERS) readonly handlers: RequestHandlers) {}
}

for (const type of Object.keys(signalRequests) as RequestType[]) {
  // Nest passes its client object first; the session is part of the request.
  const value = function (this: SignalGateway, _client: object, received: Received<RequestType>): unknown {
    return (this.handlers[type] as RequestHandler<RequestType>).handle(received);
  };
  SubscribeMessage(type)(SignalGateway.prototype, type, { value });
  Object.defineProperty(SignalGateway.prototype, type, { value });
}

import { FlotillaError } from '@flotilla/contracts';

/** Errors of mediasoup as FlotillaErrors: MEDIA_NOT_OPEN for what is closed, MEDIA_UNSUPPORTED for parameters it refuses. */
export async function mediasoupErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'NotFoundError' || name === 'WorkerClosedError')
      throw new FlotillaError('MEDIA_NOT_OPEN', undefined, { cause: error });
    throw new FlotillaError('MEDIA_UNSUPPORTED', message, { cause: error });
  }
}

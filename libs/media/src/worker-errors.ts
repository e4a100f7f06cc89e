import { type Logger, TokenBucket } from '@flotilla/runtime';
import { setLogEventListeners } from 'mediasoup';

/** How mediasoup marks what a worker wrote to its standard error (3.27.1, lib/Worker.js). */
const mark = '(stderr) ';
/** Lines per second that are logged, and at once. */
const [linesPerSecond, lineBurst] = [1, 20];

/**
 * Logs the standard error of media workers: it has the reason of an abort, whereas the exit status is only SIGABRT. mediasoup calls
 * one listener per process, without the worker of the line.
 */
export function logWorkerErrors(log: Logger): void {
  const allowed = new TokenBucket(linesPerSecond, lineBurst);
  setLogEventListeners({
    onerror: (_namespace, text) => {
      if (text.startsWith(mark) && allowed.take())
        log.error({ line: text.slice(mark.length) }, 'media worker reported an error');
    },
  });
}

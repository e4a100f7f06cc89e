/** Runs in a worker, since browsers slow the timers of a page that is hidden. Its name says how often it ticks, in ms. */
setInterval(() => postMessage(0), Number(name));

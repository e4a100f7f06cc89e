/** A worker, as browsers throttle the timers of hidden pages. Its name is the interval, ms. */
setInterval(() => postMessage(0), Number(name));

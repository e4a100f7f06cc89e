type Environment = Readonly<Record<string, string | undefined>>;

const hostSuffix = '_SERVICE_HOST';
/** Suffixes after the name of a Service in variables that only Kubernetes injects. */
const linkSuffix =
  /^_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
/** Value of `<SERVICE>_PORT`, a name that a setting may have as well. */
const linkUrl = /^(?:tcp|udp|sctp):\/\//;

/**
 * An environment without the variables that Kubernetes injects into each container for every Service of its namespace, unless
 * the pod sets `enableServiceLinks: false`. A Service `flotilla-console` yields `FLOTILLA_CONSOLE_SERVICE_HOST` and
 * `FLOTILLA_CONSOLE_PORT=tcp://10.0.0.1:8082`, which would be taken for settings.
 */
export function withoutServiceLinks(env: Environment): Environment {
  const services = Object.keys(env)
    .filter((key) => key.endsWith(hostSuffix))
    .map((key) => key.slice(0, -hostSuffix.length));
  if (services.length === 0) return env;
  const isLink = (key: string, value: string | undefined): boolean =>
    services.some((service) => {
      if (!key.startsWith(service)) return false;
      const suffix = key.slice(service.length);
      return suffix === '_PORT' ? linkUrl.test(value ?? '') : linkSuffix.test(suffix);
    });
  return Object.fromEntries(Object.entries(env).filter(([key, value]) => !isLink(key, value)));
}

/** Small and quick to start, at the price of a peak throughput that no test needs. */
export const JAVA_FLAGS = [
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xshare:auto',
  '-Djava.awt.headless=true',
] as const;

/** A Java properties file: only backslashes need escaping in what the stack writes. */
export function propertiesFile(entries: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(entries)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('');
}

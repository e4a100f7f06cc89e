let longest = 0;

/** Writes a line over the last one. */
export function progress(text: string): void {
  longest = Math.max(longest, text.length);
  process.stdout.write(`\r  ${text.padEnd(longest)}`);
}

/** What is written next begins a line of its own. */
export function endProgress(): void {
  if (longest > 0) process.stdout.write('\n');
  longest = 0;
}

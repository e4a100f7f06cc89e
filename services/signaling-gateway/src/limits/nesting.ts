/** Whether JSON text nests objects and arrays deeper than the limit. Cheaper than parsing it. */
export function nestsDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const char = text.charCodeAt(index);
    if (inString) {
      if (char === backslash) index++;
      else if (char === quote) inString = false;
    } else if (char === quote) inString = true;
    else if (char === openBrace || char === openBracket) {
      if (++depth > limit) return true;
    } else if (char === closeBrace || char === closeBracket) depth--;
  }
  return false;
}

const codeOf = (char: string): number => char.charCodeAt(0);
const [quote, backslash] = [codeOf('"'), codeOf('\\')];
const [openBrace, closeBrace] = [codeOf('{'), codeOf('}')];
const [openBracket, closeBracket] = [codeOf('['), codeOf(']')];
